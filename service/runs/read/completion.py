"""Wakes the callers that wait for a run to end."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from events.envelope import Event, Position
from events.follow import Feed
from events.types import RUN_ENDS, run_id_of


class RunCompletionWaiter:
    """Follows the log for the ends of the runs that callers in this process wait for."""

    def __init__(self, feed: Feed) -> None:
        self.position = Position(0)
        """The last position scanned for ends of runs; an end up to it wakes no later caller."""
        self._feed = feed
        self._waiting: defaultdict[str, set[asyncio.Future[Position]]] = defaultdict(set)

    async def run(self) -> None:
        """Follow the log and wake callers; a restart continues where the last one stopped."""
        self.position = self.position or self._feed.head
        async for events in self._feed.subscribe(self.position):
            for event in events:
                if event.type in RUN_ENDS:
                    self._wake(event)
            self.position = events[-1].position

    @contextmanager
    def watch(self, run_id: str) -> Iterator[asyncio.Future[Position]]:
        """Watch for the end of a run; the future gets the position of the run's last event.

        Call this first, then check whether the run has ended as of `position` or later: an end up
        to there wakes nobody, a later one wakes the caller.
        """
        future: asyncio.Future[Position] = asyncio.get_running_loop().create_future()
        self._waiting[run_id].add(future)
        try:
            yield future
        finally:
            self._waiting[run_id].discard(future)
            if not self._waiting[run_id]:
                del self._waiting[run_id]

    def _wake(self, event: Event) -> None:
        for future in self._waiting.get(run_id_of(event.stream) or "", ()):
            if not future.done():
                future.set_result(event.position)
