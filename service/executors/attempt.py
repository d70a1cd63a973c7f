"""One attempt of a task: waits for a slot, runs, and reports the result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from events import types
from service.executors.attempt_result import reported_event, result_events
from service.executors.executor import Executor, Result, StopSignal, Work
from service.runs.domain.commands import ReportedEvent

MAX_BACKOFF_S = 60.0

GIVEN_BACK: Final = {"reason": "lost", "will_retry": True, "given_back": True}
"""The failure of a task stopped because its worker shuts down. It uses up no attempt."""

Report = Callable[[Sequence[ReportedEvent]], Awaitable[bool]]
"""Reports events to the ledger; returns whether it recorded them all."""


class Attempt:
    """Reports an end for every start it has reported, unless aborted.

    So do not cancel its `run`: use `cancel` or `abort`. A stopped task is reported as cancelled
    where the run ``is_cancelling``. Where the worker ``is_leaving`` the task is given back: another
    worker repeats it, and it does not count as lost with its worker.
    """

    def __init__(
        self,
        work: Work,
        *,
        executor: Executor,
        slots: asyncio.Semaphore,
        report: Report,
        is_cancelling: Callable[[], bool],
        is_leaving: Callable[[], bool],
        backoff_s: float,
    ) -> None:
        self.waiting = True
        self._work = work
        self._executor = executor
        self._slots = slots
        self._report = report
        self._is_cancelling = is_cancelling
        self._is_leaving = is_leaving
        self._backoff_s = backoff_s
        self._stop = StopSignal()

    def cancel(self) -> None:
        """Ask the task to stop."""
        self._stop.request()

    def abort(self) -> None:
        """Kill the task."""
        self._stop.force()

    async def run(self) -> None:
        """Wait, run and report."""
        if not await self._acquire_slot():
            return
        self.waiting = False
        try:
            result = await self._execute()
        finally:
            self._slots.release()
        if result is not None:
            await self._report(result_events(self._work.task, self._work.attempt, result))

    async def _acquire_slot(self) -> bool:
        """Wait for the back-off and a free slot; False if stopped meanwhile."""
        acquiring = asyncio.create_task(self._wait())
        try:
            await asyncio.wait(
                {acquiring, self._stop.requested}, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            acquiring.cancel()
        await asyncio.wait({acquiring})
        return not acquiring.cancelled()

    async def _wait(self) -> None:
        if self._work.attempt > 1:
            await asyncio.sleep(min(self._backoff_s * 2 ** (self._work.attempt - 2), MAX_BACKOFF_S))
        await self._slots.acquire()

    async def _execute(self) -> Result | None:
        """Run the task; None where there is nothing to report of it."""
        started = reported_event(
            types.TASK_STARTED, self._work.task, {"attempt": self._work.attempt}
        )
        if self._stop.requested.done() or not await self._report([started]):
            return None
        result = Result(cancelled=True)
        if not self._stop.requested.done():
            result = await self._executor.execute(self._work, self._stop)
        if not result.cancelled or self._is_cancelling():
            return result
        if self._is_leaving():
            await self._report([reported_event(types.TASK_FAILED, self._work.task, GIVEN_BACK)])
        return None
