"""Drives one claimed run: starts what is ready, stops what is cancelled, reports what happened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from events import types
from events.bodies import RunQueued, TaskOutputRecorded
from events.envelope import Event, Position
from events.store import Log
from projections.documents.flow import Flow, PlanTask
from projections.flow_versions import Flows
from service.errors import Unavailable
from service.executors.attempt import Attempt
from service.executors.executor import Executor, Work
from service.origin import Origin
from service.runs.domain.commands import ReportedEvent, ReportEvents
from service.runs.domain.plans import ready_tasks
from service.runs.domain.state import RunState, evolve
from service.runs.write.writer import Writer

AGAIN_S = 0.5
"""How long a report waits before it is tried again while the log is away."""

_log = logging.getLogger(__name__)


class ReportRejected(Exception):
    """The ledger refused the report of a task's start or end, for no reason known here."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this worker has claimed."""

    tenant: str
    run_id: str
    worker: str
    epoch: int

    def report(self, events: Iterable[ReportedEvent]) -> ReportEvents:
        """Report events as the holder of the claim."""
        return ReportEvents(
            tenant=self.tenant,
            origin=Origin(actor=f"worker:{self.worker}", source="executor"),
            run_id=self.run_id,
            events=tuple(events),
            worker=self.worker,
            epoch=self.epoch,
        )


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
        self.stopped = False
        self._tools = tools
        self._flow: Flow
        self._state: RunState
        self._seen = Position(0)
        self._reported = Position(0)
        self._results: dict[str, Any] = {}
        self._inbox: list[Event] = []
        self._wake = asyncio.Event()
        self._attempts: dict[str, Attempt] = {}
        self._begun: set[tuple[str, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._crash: BaseException | None = None
        self._draining = False

    def offer(self, events: Iterable[Event]) -> None:
        """Take in the run's next events."""
        self._inbox.extend(events)
        self._wake.set()

    def drain(self) -> None:
        """Start nothing more; `run` returns when what runs has ended."""
        self._draining = True
        for attempt in self._attempts.values():
            if attempt.waiting:
                attempt.give_up()
        self._wake.set()

    def stop(self) -> None:
        """Stop all tasks by force; `run` returns when what has ended by itself is reported."""
        self.stopped = True
        self._wake.set()

    async def run(self) -> None:
        """Drive the run until it has ended, is another worker's, is drained or stopped.

        Raises:
            ReportRejected: the ledger refuses what is reported of a task.
            LogError: the run cannot be read.
        """
        await self._load()
        try:
            while not self._finished():
                self._act()
                await self._wake.wait()
                self._wake.clear()
                self._take_in()
        finally:
            await self._let_go()
        if self._crash is not None:
            raise self._crash

    async def _load(self) -> None:
        claim = self.claim
        log, stream = self._tools.log, types.run_stream(claim.run_id)
        events = await log.read_stream(claim.tenant, stream)
        queued: RunQueued = events[0].data
        self._flow = await self._tools.flows.get(
            claim.tenant, queued["flow"], queued["flow_version"]
        )
        self._state = evolve(self._flow.plan, None, events[0])
        await self._load_carried()
        self._evolve(events[1:])
        self._take_in()

    async def _load_carried(self) -> None:
        """Fetch the results of what earlier runs have done for this one."""
        carried = self._state.reused_tasks
        for run_id in set(carried.values()):
            events = await self._tools.log.read_stream(self.claim.tenant, types.run_stream(run_id))
            self._keep_results(events, [task for task in carried if carried[task] == run_id])

    def _take_in(self) -> None:
        inbox, self._inbox = self._inbox, []
        self._evolve(event for event in inbox if event.version > self._state.version)

    def _evolve(self, events: Iterable[Event]) -> None:
        for event in events:
            self._state = evolve(self._flow.plan, self._state, event)
            self._seen = event.position
            self._keep_results((event,), self._flow.plan.by_path)

    def _keep_results(self, events: Iterable[Event], tasks: Container[str]) -> None:
        for event in events:
            if event.type == types.TASK_OUTPUT_RECORDED:
                body: TaskOutputRecorded = event.data
                if body["task"] in tasks:
                    self._results[body["task"]] = body.get("result")

    def _finished(self) -> bool:
        state = self._state
        if self.stopped or self._crash or state.has_ended or state.epoch != self.claim.epoch:
            return True
        return self._draining and not self._attempts

    def _is_cancelling(self) -> bool:
        return self._state.status == "cancelling" and self._state.epoch == self.claim.epoch

    def _is_leaving(self) -> bool:
        return self.stopped and self._draining and self._state.epoch == self.claim.epoch

    def _act(self) -> None:
        # What was reported last must have come back first, or a task that has just ended would look
        # as if it still ran, and one whose start was refused as if it could start again.
        if self._seen < self._reported:
            return
        self._check()
        if self._state.status == "cancelling":
            for attempt in self._attempts.values():
                attempt.cancel()
        elif not self._draining:
            for step in ready_tasks(self._flow.plan, self._state):
                if step.path not in self._attempts:
                    self._start(step)

    def _check(self) -> None:
        for path, task in self._state.tasks.items():
            if task.status == "running" and path not in self._attempts:
                raise ReportRejected(f"the ledger did not take the end of task {path}")

    def _start(self, step: PlanTask) -> None:
        tools, number = self._tools, self._state.tasks[step.path].attempt + 1
        if (step.path, number) in self._begun:
            raise ReportRejected(f"the ledger did not take the start of task {step.path}")
        self._begun.add((step.path, number))
        work = Work(
            run_id=self.claim.run_id,
            task=step,
            attempt=number,
            arguments=self._arguments(step),
            payload=self._state.payload,
        )
        attempt = self._attempts[step.path] = Attempt(
            work,
            executor=tools.executor,
            slots=tools.slots,
            report=self._report,
            is_cancelling=self._is_cancelling,
            is_leaving=self._is_leaving,
            backoff_s=tools.backoff_s,
        )
        task = asyncio.create_task(attempt.run(), name=f"task {step.path}")
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._done(step.path, task))

    def _done(self, path: str, task: asyncio.Task[None]) -> None:
        del self._attempts[path]
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crash = self._crash or error
        self._wake.set()

    def _arguments(self, step: PlanTask) -> tuple[Any, ...]:
        if step.hook == "failure":
            return ()
        if not step.previous:
            return (None,)
        results = [self._results.get(path) for path in step.previous]
        # A group of one counts as its member: Celery unrolls it.
        return (results,) if len(results) > 1 else (results[0],)

    async def _report(self, events: Sequence[ReportedEvent]) -> bool:
        command = self.claim.report(events)
        while True:
            try:
                outcome = await self._tools.writer.submit(command, internal=True)
            except Unavailable as error:
                # The same again: the ledger knows what it has of it by the events' ids.
                _log.warning("run %s: a report waits: %s", self.claim.run_id, error)
                await asyncio.sleep(AGAIN_S)
            else:
                break
        self._reported = max(self._reported, Position(outcome.position))
        return all(result.outcome != "refused" for result in outcome.results)

    async def _let_go(self) -> None:
        for attempt in self._attempts.values():
            attempt.give_up()
        try:
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
