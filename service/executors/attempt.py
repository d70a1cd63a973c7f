"""One attempt of a task under way: it waits for its turn, runs, and reports how that went."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from events import types
from service.executors.attempt_result import ending, reported_event
from service.executors.executor import Executor, Result, Stop, Work
from service.runs.domain.commands import ReportedEvent

MAX_BACKOFF_S = 60.0

GIVEN_BACK: Final = {"reason": "lost", "will_retry": True, "given_back": True}
"""What is said of a task that was stopped because its worker leaves: it costs no try, ever."""

Report = Callable[[Sequence[ReportedEvent]], Awaitable[bool]]
"""Reports events to the ledger; returns whether it recorded them all."""


class Attempt:
    """What it has reported as started it reports as ended, unless it is given up.

    So its `run` is not to be cancelled: `cancel` and `give_up` stop what may be stopped. That a
    task was stopped is reported where the run ``is_cancelling``; where its worker ``is_leaving`` it
    is given back, so that it does not count as one that its worker died under. Whoever takes over
    tries it again.
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
        self._stop = Stop()

    def cancel(self) -> None:
        """Ask the task to stop."""
        self._stop.ask()

    def give_up(self) -> None:
        """Stop the task by force."""
        self._stop.force()

    async def run(self) -> None:
        """Wait, run and report."""
        if not await self._turn():
            return
        self.waiting = False
        try:
            result = await self._carry_out()
        finally:
            self._slots.release()
        if result is not None:
            await self._report(ending(self._work.task, self._work.attempt, result))

    async def _turn(self) -> bool:
        """Wait out the back-off and for a free slot; False where it is stopped before."""
        turn = asyncio.create_task(self._wait())
        try:
            await asyncio.wait({turn, self._stop.asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            turn.cancel()
        await asyncio.wait({turn})
        return not turn.cancelled()

    async def _wait(self) -> None:
        if self._work.attempt > 1:
            await asyncio.sleep(min(self._backoff_s * 2 ** (self._work.attempt - 2), MAX_BACKOFF_S))
        await self._slots.acquire()

    async def _carry_out(self) -> Result | None:
        """Run the task; None where there is nothing to report of it."""
        started = reported_event(
            types.TASK_STARTED, self._work.task, {"attempt": self._work.attempt}
        )
        if self._stop.asked.done() or not await self._report([started]):
            return None
        result = Result(cancelled=True)
        if not self._stop.asked.done():
            result = await self._executor.execute(self._work, self._stop)
        if not result.cancelled or self._is_cancelling():
            return result
        if self._is_leaving():
            await self._report([reported_event(types.TASK_FAILED, self._work.task, GIVEN_BACK)])
        return None
