"""The watchdog: ends a process that no longer turns, or does not end when it should."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import sys
import threading
from types import TracebackType
from typing import Final, NoReturn, Self

WATCHDOG_STATUS: Final = 4
"""The exit status of a process that its watchdog has ended: start it anew."""

TICK_S: Final = 0.5
"""Seconds between two looks, and between two turns of the loop that show that it turns."""

REPORT_S: Final = 5.0
"""Seconds to write the report; the reader of the standard error may be what hangs."""

HELD_FACTOR: Final = 2
"""How many bounds C code may hold the interpreter, before the process ends without a log line."""

_DEBUGGERS: Final = ("bdb", "pydevd")
_log = logging.getLogger("flowledger.watchdog")


class Watchdog:
    """A thread beside the event loop, which ends the process where the loop cannot.

    It ends a process whose loop has not turned for ``bound_s`` (0: never), and one that still runs
    after `end_within`. It counts its own looks instead of the clock: while the whole process stands
    still, as under SIGSTOP or a debugger of C, it does not look. Under a debugger of Python, where
    the loop stands still alone, it does nothing.
    """

    def __init__(self, bound_s: float) -> None:
        self._bound_s = bound_s
        self._waited_s = 0.0
        self._allowed_s: float | None = None
        self._left_s = 0.0
        self._closed = threading.Event()
        self._beat_timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._beat()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        if self._beat_timer is not None:
            self._beat_timer.cancel()
        faulthandler.cancel_dump_traceback_later()

    def end_within(self, seconds: float) -> None:
        """End the process after this time, if it still runs then."""
        self._left_s = seconds
        self._allowed_s = seconds

    def _beat(self) -> None:
        self._waited_s = 0.0
        if _debugged():
            faulthandler.cancel_dump_traceback_later()
        elif self._bound_s:
            # A thread of C: ours cannot look while a regular expression holds the interpreter.
            faulthandler.dump_traceback_later(HELD_FACTOR * self._bound_s, exit=True)
        self._beat_timer = asyncio.get_running_loop().call_later(TICK_S, self._beat)

    def _watch(self) -> None:
        while not self._closed.wait(TICK_S):
            self._waited_s += TICK_S
            self._left_s -= TICK_S
            if _debugged():
                continue
            if self._bound_s and self._waited_s > self._bound_s:
                _end(f"the event loop has not turned for {self._bound_s:.0f} s")
            if self._allowed_s is not None and self._left_s <= 0:
                _end(f"the process still ran {self._allowed_s:.0f} s after it began to stop")


def _debugged() -> bool:
    return any(name in sys.modules for name in _DEBUGGERS)


def _end(reason: str) -> NoReturn:
    # Another thread may hold the lock of the log, or of the standard error: it is not waited for.
    report = threading.Thread(target=_report, args=(reason,), daemon=True)
    report.start()
    report.join(REPORT_S)
    os._exit(WATCHDOG_STATUS)


def _report(reason: str) -> None:
    _log.critical("%s; the watchdog ends it, and each thread's stack follows", reason)
    with contextlib.suppress(OSError, ValueError):
        faulthandler.dump_traceback(all_threads=True)
