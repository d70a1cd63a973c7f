"""A ledger without an API, and workers that do for each task what a test says."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from events import types
from events.database import connect_pool
from events.envelope import Event
from projections.documents.flow import Plan
from service.access import Origin
from service.app import compose
from service.executors.dispatcher import Dispatcher, new_worker
from service.executors.driver import DriverDeps
from service.executors.executor import Executor, Failure, Result, StopSignal, Work
from service.executors.heartbeats import Heartbeats, HeartbeatTiming
from service.flows.errors import Diagnostics
from service.flows.planner import plan_flow
from service.flows.steps import TaskStep, read_step, read_steps
from service.lifecycle import start, stop
from service.runs.domain.commands import (
    CancelRun,
    Command,
    Outcome,
    RetryRun,
    RetryScope,
    StartRun,
)
from service.runs.domain.decider import RunState, fold
from service.runtime import ProcessRole, Service
from service.settings import Settings
from tests.runs.processes import flow, register

TENANT = "acme"
ORIGIN = Origin(actor="tests", source="tests")
QUICK = HeartbeatTiming(interval_s=0.1)
PATIENCE_S = 30.0


def plan(*tasks: Any, success: Any = None, failure: Any = None) -> Plan:
    """A plan of steps as a file of flows writes them."""
    diagnostics = Diagnostics("flows.yaml", {})
    hooks = {
        name: step
        for name, value in (("success", success), ("failure", failure))
        if value and isinstance(step := read_step(value, (), diagnostics), TaskStep)
    }
    steps = read_steps(list(tasks), (), diagnostics)
    assert not diagnostics.collected
    return plan_flow(steps, hooks)


@dataclass
class Ledger:
    """One process's service, and what happened in it."""

    service: Service
    plans: dict[str, Plan] = field(default_factory=dict)
    latest: str = ""

    async def register(self, *tasks: Any, **more: Any) -> str:
        """Register a flow under a name of its own, which `start` takes if it is told none."""
        hooks = {hook: more.pop(hook, None) for hook in ("success", "failure")}
        number = len(self.plans) + 1
        self.latest = f"FLOW{number}"
        retrying = {name: more.pop(name, 0) for name in ("retries", "retry_delay_s")}
        self.plans[self.latest] = replace(plan(*tasks, **hooks), **retrying)
        registered = flow(self.latest, self.plans[self.latest], number=number, **more)
        await register(self.service.log, registered)
        await self.service.catalogue.refresh(TENANT)
        return self.latest

    async def submit(self, command: Command) -> Outcome:
        return await self.service.writer.submit(command)

    async def start(self, name: str = "", **payload: Any) -> str:
        fullname = f"example.{name or self.latest}"
        return (await self.submit(StartRun(TENANT, ORIGIN, fullname, payload=payload))).run_id

    async def retry(self, run_id: str) -> str:
        """Retry what is not done of a run."""
        scope = RetryScope(only_incomplete=True)
        return (await self.submit(RetryRun(TENANT, ORIGIN, run_id, scope=scope))).run_id

    async def cancel(self, run_id: str, *, force: bool = False) -> None:
        await self.submit(CancelRun(TENANT, ORIGIN, run_id, force=force))

    async def events(self, run_id: str) -> list[Event]:
        return await self.service.log.read_stream(TENANT, types.run_stream(run_id))

    async def until(self, run_id: str, holds: Callable[[list[Event]], Any]) -> list[Event]:
        """Wait until something holds of a run's events."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                head = self.service.log_io.feed.head
                if holds(events := await self.events(run_id)):
                    return events
                await self.service.log_io.feed.read_after(head)

    async def ended(self, run_id: str) -> RunState:
        """Wait for the end of a run."""
        events = await self.until(run_id, lambda events: of_type(events, *types.RUN_ENDS))
        return self.state(events)

    def state(self, events: Sequence[Event]) -> RunState:
        return fold(self.plans[events[0].data["flow"].removeprefix("example.")], events)


def of_type(events: Sequence[Event], *kinds: str, task: str | None = None) -> list[Event]:
    """The events of these types, of one task if one is named."""
    return [e for e in events if e.type in kinds and task in (None, e.data.get("task"))]


def story(events: Sequence[Event]) -> list[str]:
    """What happened, in order: types, with the task where there is one."""
    return [" ".join(filter(None, (event.type, event.data.get("task")))) for event in events]


@asynccontextmanager
async def open_ledger(database_url: str, folder: Path) -> AsyncIterator[Ledger]:
    settings = Settings(
        database_url=database_url, home=folder / "home", secret_key=secrets.token_bytes(32)
    )
    async with compose(settings, {ProcessRole.PROJECT}) as service:
        try:
            await start(service)
            yield Ledger(service)
        finally:
            await stop(service, _nothing)


async def _nothing() -> None:
    return


@dataclass
class Worker:
    """One worker of a ledger; several may share a process."""

    name: str
    dispatcher: Dispatcher
    heartbeats: Heartbeats
    running: asyncio.Task[None]

    async def freeze(self) -> None:
        """Stop all but the tasks: no heartbeat, no look at the log, as if the machine hung."""
        self.running.cancel()
        await asyncio.wait({self.running})

    async def idle(self) -> None:
        """Wait until it drives no run any more."""
        async with asyncio.timeout(PATIENCE_S):
            while driving := set(self.dispatcher._driver_tasks):
                await asyncio.wait(driving)

    async def close(self, grace_s: float = PATIENCE_S) -> None:
        await self.dispatcher.close(grace_s)
        await self.freeze()


def deps(ledger: Ledger, executor: Executor, *, slots: int, backoff_s: float) -> DriverDeps:
    return DriverDeps(
        log=ledger.service.log,
        flows=ledger.service.read_models.flows,
        writer=ledger.service.writer,
        executor=executor,
        slots=asyncio.Semaphore(slots),
        backoff_s=backoff_s,
    )


@asynccontextmanager
async def working(
    ledger: Ledger,
    executor: Executor,
    *,
    slots: int = 8,
    timing: HeartbeatTiming = QUICK,
    backoff_s: float = 0.01,
) -> AsyncIterator[Worker]:
    """Run a worker while the block runs."""
    service = ledger.service
    name = new_worker()
    pool = await connect_pool(service.settings.require_database_url, max_size=2)
    heartbeats = Heartbeats(pool, name, slots=slots, timing=timing)
    dispatcher = Dispatcher(
        worker=name,
        slots=slots,
        deps=deps(ledger, executor, slots=slots, backoff_s=backoff_s),
        feed=service.log_io.feed,
        queries=service.queries,
        positions=service.positions,
        heartbeats=heartbeats,
        hold=service.hold,
    )
    worker = Worker(name, dispatcher, heartbeats, asyncio.create_task(dispatcher.run()))
    try:
        yield worker
    finally:
        await worker.close(grace_s=0)
        await pool.close()


TaskScript = Callable[[Work, StopSignal], Awaitable[Result] | Result]


class ScriptedExecutor:
    """An executor that runs a script for each task key; other tasks succeed."""

    def __init__(self, **scripts: TaskScript) -> None:
        self.scripts = scripts
        self.executed: list[Work] = []
        self.running_tasks = 0
        self.peak_tasks = 0

    async def execute(self, work: Work, stop: StopSignal | None = None) -> Result:
        self.executed.append(work)
        self.running_tasks += 1
        self.peak_tasks = max(self.peak_tasks, self.running_tasks)
        try:
            result = self.scripts.get(work.task.key, succeed)(work, stop or StopSignal())
            return result if isinstance(result, Result) else await result
        finally:
            self.running_tasks -= 1

    async def close(self) -> None:
        return

    def arguments(self) -> dict[str, tuple[Any, ...]]:
        """The arguments of each executed task, by its path."""
        return {work.task.path: work.arguments for work in self.executed}


def succeed(work: Work, _stop: StopSignal) -> Result:
    return Result(value=f"{work.task.key}'s")


def fail(_work: Work, _stop: StopSignal) -> Result:
    return Result(failure=Failure("no luck"))


def failing(times: int) -> TaskScript:
    """Fail some times, then succeed."""
    left = iter(range(times))

    def script(work: Work, stop: StopSignal) -> Result:
        return fail(work, stop) if next(left, None) is not None else succeed(work, stop)

    return script


class Gate:
    """A task that runs until it is opened or stopped."""

    def __init__(self, result: Result | None = None, *, cooperative: bool = True) -> None:
        self.entered = asyncio.Event()
        self.opened = asyncio.get_running_loop().create_future()
        self.stops: list[StopSignal] = []
        self._result = result
        self._cooperative = cooperative

    def open(self) -> None:
        if not self.opened.done():
            self.opened.set_result(None)

    async def __call__(self, work: Work, stop: StopSignal) -> Result:
        self.stops.append(stop)
        self.entered.set()
        end = stop.requested if self._cooperative else stop.forced
        await asyncio.wait({self.opened, end}, return_when=asyncio.FIRST_COMPLETED)
        if not self.opened.done():
            return Result(cancelled=True)
        return self._result or succeed(work, stop)

    async def until_entered(self, count: int = 1) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.stops) < count:
                self.entered.clear()
                await self.entered.wait()
