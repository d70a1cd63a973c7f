"""Drives one claimed run: starts what is ready, stops what is cancelled, reports what happened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from events import types
from events.envelope import Event, Position
from events.store import Log
from projections.flow import Flow, PlanTask
from projections.flows import Flows
from service.executors.executor import Executor, Result, Work
from service.runs.commands import Fact, Origin, ReportFacts
from service.runs.decider import ready
from service.runs.state import RunState, evolve
from service.runs.writer import Writer

MAX_BACKOFF_S = 60.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this worker has claimed."""

    tenant: str
    run_id: str
    worker: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Tools:
    """What a driver works with; shared by all drivers of a worker."""

    log: Log
    flows: Flows
    writer: Writer
    executor: Executor
    slots: asyncio.Semaphore
    backoff_s: float = 1.0


class Driver:
    """One claimed run. What it does follows from the run's events and from nothing else."""

    def __init__(self, claim: Claim, tools: Tools) -> None:
        self.claim = claim
        self._tools = tools
        self._state: RunState | None = None
        self._flow: Flow
        self._payload: dict[str, Any] = {}
        self._results: dict[str, Any] = {}
        self._inbox: list[Event] = []
        self._routed = Position(0)
        self._reported = Position(0)
        self._wake = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._draining = False
        self._lost = False

    def offer(self, events: Iterable[Event], routed: Position) -> None:
        """Take in the run's new events; ``routed`` is how far the log was read for them."""
        self._inbox.extend(events)
        self._routed = routed
        self._wake.set()

    def drain(self) -> None:
        """Start nothing more; `run` returns when what runs has ended."""
        self._draining = True
        self._wake.set()

    async def run(self) -> None:
        """Drive the run until it has ended, is another worker's, or is drained."""
        try:
            await self._load()
            while not self._finished():
                self._act()
                await self._wake.wait()
                self._wake.clear()
                self._take_in()
        finally:
            await self._kill()

    async def _load(self) -> None:
        claim = self.claim
        stream = types.run_stream(claim.run_id)
        events = await self._tools.log.read_stream(claim.tenant, stream)
        queued = events[0].data
        self._payload = queued["payload"]
        self._flow = await self._tools.flows.get(
            claim.tenant, queued["flow"], queued["flow_version"]
        )
        for event in events:
            self._evolve(event)
        self._take_in()

    def _take_in(self) -> None:
        inbox, self._inbox = self._inbox, []
        for event in inbox:
            if self._state is None or event.version > self._state.version:
                self._evolve(event)

    def _evolve(self, event: Event) -> None:
        self._state = evolve(self._flow.plan, self._state, event)
        if event.type == types.TASK_OUTPUT_RECORDED and "result" in event.data:
            self._results[event.data["task"]] = event.data["result"]

    def _finished(self) -> bool:
        state = self._state
        if state is None or self._lost or state.epoch != self.claim.epoch or state.has_ended:
            return True
        return self._draining and not self._running

    def _act(self) -> None:
        state = self._state
        # What was reported last must have come back first, or a task that has just ended would look
        # as if it had never begun.
        if state is None or self._routed < self._reported:
            return
        if state.status == "cancelling":
            for task in self._running.values():
                task.cancel()
        elif not self._draining:
            for step in ready(self._flow.plan, state):
                if step.path not in self._running:
                    self._start(step, state.tasks[step.path].attempt + 1)

    def _start(self, step: PlanTask, attempt: int) -> None:
        task = asyncio.create_task(self._attempt(step, attempt), name=f"task {step.path}")
        self._running[step.path] = task
        task.add_done_callback(lambda _: self._done(step.path, task))

    def _done(self, path: str, task: asyncio.Task[None]) -> None:
        del self._running[path]
        if not task.cancelled() and (error := task.exception()) is not None:
            # The run is left as it is; this worker lets go of it and it is taken over.
            _log.error("driving task %s of run %s failed", path, self.claim.run_id, exc_info=error)
            self._lost = True
        self._wake.set()

    async def _attempt(self, step: PlanTask, attempt: int) -> None:
        if attempt > 1:
            await asyncio.sleep(min(self._tools.backoff_s * 2 ** (attempt - 2), MAX_BACKOFF_S))
        async with self._tools.slots:
            started = _fact(types.TASK_STARTED, step, {"attempt": attempt})
            if not await self._report([started]):
                return
            result = await self._tools.executor.execute(
                Work(
                    run_id=self.claim.run_id,
                    task=step,
                    attempt=attempt,
                    arguments=self._arguments(step),
                    payload=self._payload,
                )
            )
        if result.cancelled and self._state is not None and self._state.status != "cancelling":
            return  # stopped with its worker: whoever takes over tries it again
        await self._report(_ending(step, attempt, result))

    def _arguments(self, step: PlanTask) -> tuple[Any, ...]:
        if step.hook == "failure":
            return ()
        if not step.previous:
            return (None,)
        results = [self._results.get(path) for path in step.previous]
        by_path = self._flow.plan.by_path
        grouped = len(results) > 1 or bool(by_path[step.previous[0]].groups)
        return (results,) if grouped else (results[0],)

    async def _report(self, facts: Sequence[Fact]) -> bool:
        claim = self.claim
        outcome = await self._tools.writer.submit(
            ReportFacts(
                tenant=claim.tenant,
                origin=Origin(actor=f"worker:{claim.worker}", source="executor"),
                run_id=claim.run_id,
                facts=tuple(facts),
                worker=claim.worker,
                epoch=claim.epoch,
            ),
            inside=True,
        )
        self._reported = max(self._reported, Position(outcome.position))
        return all(result.outcome != "refused" for result in outcome.results)

    async def _kill(self) -> None:
        # Cancelled once a task stops by itself, cancelled again it is stopped by force.
        while tasks := set(self._running.values()):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=0.05)


def _fact(kind: str, step: PlanTask, data: dict[str, Any]) -> Fact:
    return Fact(event_id=str(uuid4()), type=kind, task=step.path, data=data)


def _ending(step: PlanTask, attempt: int, result: Result) -> list[Fact]:
    output = {
        "attempt": attempt,
        "result": result.value,
        "metrics": dict(result.metrics),
        "warnings": list(result.warnings),
        "log": result.log,
    }
    facts = [_fact(types.TASK_OUTPUT_RECORDED, step, output)]
    if result.cancelled:
        return [*facts, _fact(types.TASK_CANCELLED, step, {})]
    if result.failure is not None:
        failure = result.failure
        return [
            *facts,
            _fact(
                types.TASK_FAILED,
                step,
                {
                    "reason": failure.reason,
                    "will_retry": True,  # if the plan has a retry left: the decider decides
                    "exception": failure.exception,
                    "traceback": failure.traceback,
                    "statement": failure.statement,
                    "line": failure.line,
                },
            ),
        ]
    kind = types.TASK_WARNED if result.warnings else types.TASK_SUCCEEDED
    return [*facts, _fact(kind, step, {})]
