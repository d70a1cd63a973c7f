"""Drives one claimed run: starts ready tasks, stops cancelled ones, reports results."""

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
from projections.flow_versions import FlowVersions
from service.access import Origin
from service.errors import Unavailable
from service.executors.attempt import Attempt
from service.executors.executor import Executor, Work
from service.runs.domain.commands import ReportedEvent, ReportEvents
from service.runs.domain.plans import ready_tasks
from service.runs.domain.state import RunState, evolve
from service.runs.write.writer import Writer

RETRY_S = 0.5
"""Seconds before a report is repeated while the log is unavailable."""

_log = logging.getLogger(__name__)


class ReportRejected(Exception):
    """The ledger refused to record the start or end of a task."""


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
class DriverDeps:
    """The dependencies of a driver, shared by all drivers of a worker."""

    log: Log
    flows: FlowVersions
    writer: Writer
    executor: Executor
    slots: asyncio.Semaphore
    backoff_s: float = 1.0


class Driver:
    """Drives one claimed run, guided only by the run's events."""

    def __init__(self, claim: Claim, deps: DriverDeps) -> None:
        self.claim = claim
        self.stopped = False
        self._deps = deps
        self._flow: Flow
        self._state: RunState
        self._applied_to = Position(0)
        self._reported_to = Position(0)
        self._results: dict[str, Any] = {}
        self._inbox: list[Event] = []
        self._wake = asyncio.Event()
        self._attempts: dict[str, Attempt] = {}
        self._started: set[tuple[str, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._crash: BaseException | None = None
        self._draining = False

    def deliver(self, events: Iterable[Event]) -> None:
        """Queue the run's next events."""
        self._inbox.extend(events)
        self._wake.set()

    def drain(self) -> None:
        """Start no more tasks; `run` returns when the running ones have ended."""
        self._draining = True
        for attempt in self._attempts.values():
            if attempt.waiting:
                attempt.abort()
        self._wake.set()

    def stop(self) -> None:
        """Kill all tasks; `run` returns when the results of those already ended are reported."""
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
                self._advance()
                await self._wake.wait()
                self._wake.clear()
                self._apply_inbox()
        finally:
            await self._abort_attempts()
        if self._crash is not None:
            raise self._crash

    async def _load(self) -> None:
        claim = self.claim
        log, stream = self._deps.log, types.run_stream(claim.run_id)
        events = await log.read_stream(claim.tenant, stream)
        queued: RunQueued = events[0].data
        self._flow = await self._deps.flows.get(
            claim.tenant, queued["flow"], queued["flow_version"]
        )
        self._state = evolve(self._flow.plan, None, events[0])
        await self._load_reused_results()
        self._apply(events[1:])
        self._apply_inbox()

    async def _load_reused_results(self) -> None:
        """Fetch the results of what earlier runs have done for this one."""
        reused = self._state.reused_tasks
        for run_id in set(reused.values()):
            events = await self._deps.log.read_stream(self.claim.tenant, types.run_stream(run_id))
            self._collect_results(events, [task for task in reused if reused[task] == run_id])

    def _apply_inbox(self) -> None:
        inbox, self._inbox = self._inbox, []
        self._apply(event for event in inbox if event.version > self._state.version)

    def _apply(self, events: Iterable[Event]) -> None:
        for event in events:
            self._state = evolve(self._flow.plan, self._state, event)
            self._applied_to = event.position
            self._collect_results((event,), self._flow.plan.by_path)

    def _collect_results(self, events: Iterable[Event], tasks: Container[str]) -> None:
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

    def _advance(self) -> None:
        # Wait for this driver's own last report to come back through the log. Until then a task
        # that has just ended looks as if it ran, and a refused start as if it could be repeated.
        if self._applied_to < self._reported_to:
            return
        self._check_reports_taken()
        if self._state.status == "cancelling":
            for attempt in self._attempts.values():
                attempt.cancel()
        elif not self._draining:
            for step in ready_tasks(self._flow.plan, self._state):
                if step.path not in self._attempts:
                    self._start(step)

    def _check_reports_taken(self) -> None:
        for path, task in self._state.tasks.items():
            if task.status == "running" and path not in self._attempts:
                raise ReportRejected(f"the ledger did not take the end of task {path}")

    def _start(self, step: PlanTask) -> None:
        deps, number = self._deps, self._state.tasks[step.path].attempt + 1
        if (step.path, number) in self._started:
            raise ReportRejected(f"the ledger did not take the start of task {step.path}")
        self._started.add((step.path, number))
        work = Work(
            run_id=self.claim.run_id,
            task=step,
            attempt=number,
            arguments=self._arguments(step),
            payload=self._state.payload,
        )
        attempt = self._attempts[step.path] = Attempt(
            work,
            executor=deps.executor,
            slots=deps.slots,
            report=self._report,
            is_cancelling=self._is_cancelling,
            is_leaving=self._is_leaving,
            backoff_s=deps.backoff_s,
        )
        task = asyncio.create_task(attempt.run(), name=f"task {step.path}")
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._attempt_done(step.path, task))

    def _attempt_done(self, path: str, task: asyncio.Task[None]) -> None:
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
        # A group of one passes its member's result, as Celery unrolls it.
        return (results,) if len(results) > 1 else (results[0],)

    async def _report(self, events: Sequence[ReportedEvent]) -> bool:
        command = self.claim.report(events)
        while True:
            try:
                outcome = await self._deps.writer.submit(command, internal=True)
            except Unavailable as error:
                # The same again: the ledger knows what it has of it by the events' ids.
                _log.warning("run %s: a report waits: %s", self.claim.run_id, error)
                await asyncio.sleep(RETRY_S)
            else:
                break
        self._reported_to = max(self._reported_to, Position(outcome.position))
        return all(result.outcome != "refused" for result in outcome.results)

    async def _abort_attempts(self) -> None:
        for attempt in self._attempts.values():
            attempt.abort()
        try:
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
