"""The supervisor: runs named background tasks, and restarts those that crash."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

import structlog

from events.errors import LogUnavailable

TaskState = Literal["waiting", "running", "restarting", "stopped"]

FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 2.0
STABLE_S: Final = 30.0
"""After running this long, a crashed task restarts with the first delay again."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Supervised:
    """One background task, its state and its crashes so far."""

    name: str
    run: Callable[[], Awaitable[None]]
    state: TaskState = "waiting"
    crashes: int = 0
    last_error: str | None = None
    last_crash_at: datetime | None = None
    _task: asyncio.Task[None] | None = field(default=None, repr=False)


class Supervisor:
    """Runs background tasks; logs a crash with its traceback and restarts the task.

    One that ends because the database is away is started again too, and is no crash.

    Tasks stop in reverse order of their start.
    """

    def __init__(
        self, *, first_delay_s: float = FIRST_DELAY_S, longest_delay_s: float = LONGEST_DELAY_S
    ) -> None:
        self._first_delay_s = first_delay_s
        self._longest_delay_s = longest_delay_s
        self._tasks: list[Supervised] = []
        self._winding_down = False

    @property
    def tasks(self) -> tuple[Supervised, ...]:
        """All tasks, in the order of their start."""
        return tuple(self._tasks)

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Start a task. ``run`` must run until it is cancelled; returning counts as a crash."""
        supervised = Supervised(name, run)
        supervised._task = asyncio.create_task(self._watch(supervised), name=name)  # noqa: SLF001 - ours
        self._tasks.append(supervised)

    def wind_down(self) -> None:
        """Let tasks return from now on, instead of restarting them."""
        self._winding_down = True

    async def stop(self, *names: str) -> None:
        """Cancel the named tasks, or all if none is named, and wait until each has ended."""
        for supervised in reversed(self._tasks):
            if not names or supervised.name in names:
                await _end(supervised)

    async def _watch(self, supervised: Supervised) -> None:
        delay_s = self._first_delay_s
        loop = asyncio.get_running_loop()
        while True:
            supervised.state = "running"
            started = loop.time()
            if await self._returned(supervised):
                supervised.state = "stopped"
                return
            if loop.time() - started > STABLE_S:
                delay_s = self._first_delay_s
            supervised.state = "restarting"
            # Random, so that many processes do not reconnect to a database at the same moment.
            await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))  # noqa: S311 - guards nothing
            delay_s = min(delay_s * 2, self._longest_delay_s)

    async def _returned(self, supervised: Supervised) -> bool:
        """Run a task once; True where it returned while winding down."""
        try:
            await supervised.run()
        except LogUnavailable as error:
            # No bug of the task, and no crash: one line for each reason, without a traceback.
            if supervised.last_error != str(error):
                task = supervised.name
                _log.warning("background task waits for the database", task=task, reason=str(error))
            supervised.last_error = str(error)
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged
            _count_crash(supervised, repr(error))
            _log.error(
                "background task crashed", task=supervised.name, error=repr(error), exc_info=error
            )
            return False
        if not self._winding_down:
            _count_crash(supervised, "ended by itself")
            _log.error("background task ended by itself", task=supervised.name)
        return self._winding_down


def _count_crash(supervised: Supervised, error: str) -> None:
    supervised.crashes += 1
    supervised.last_error = error
    supervised.last_crash_at = datetime.now(UTC)


async def _end(supervised: Supervised) -> None:
    task = supervised._task  # noqa: SLF001 - ours
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    supervised.state = "stopped"
