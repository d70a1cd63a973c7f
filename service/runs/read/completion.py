"""Wakes whoever waits for a run to end."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from events.envelope import Event, Position
from events.types import RUN_ENDS, run_id_of


class Feed(Protocol):
    """What is needed of the process's reader of the log."""

    @property
    def head(self) -> Position:
        """The last position read."""
        ...

    def subscribe(self, after: Position) -> AsyncIterator[Sequence[Event]]:
        """Follow the log from a position."""
        ...


class Endings:
    """The runs whose end somebody in this process waits for."""

    def __init__(self, feed: Feed) -> None:
        self.position = Position(0)
        """How far the log has been looked through: ends up to there wake nobody any more."""
        self._feed = feed
        self._waiting: defaultdict[str, set[asyncio.Future[Position]]] = defaultdict(set)

    async def run(self) -> None:
        """Follow the log and wake waiters; started again, it goes on where it was."""
        self.position = self.position or self._feed.head
        async for events in self._feed.subscribe(self.position):
            for event in events:
                if event.type in RUN_ENDS:
                    self._wake(event)
            self.position = events[-1].position

    @contextmanager
    def watch(self, run_id: str) -> Iterator[asyncio.Future[Position]]:
        """Watch for the end of a run; the future holds the position of its last event.

        Begin to watch, then look whether the run has ended as of `position` at least: an end that
        stands before wakes nobody, an end behind wakes the watcher.
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
