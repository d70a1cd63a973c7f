"""Shares reads of the log's history between the projectors of one process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from events.envelope import Event, Position
from events.follow import Feed

RECENT_BATCHES: Final = 8
"""Batches of history kept for the projectors that are further behind."""


class CoalescingFeed:
    """Answers like `Feed.read_after`, with one read for all projectors at the same position."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._recent: deque[Sequence[Event]] = deque(maxlen=RECENT_BATCHES)
        self._in_flight: dict[Position, asyncio.Task[Sequence[Event]]] = {}

    async def read_after(self, position: Position, limit: int) -> Sequence[Event]:
        """Wait for events after a position: contiguous, at least one, at most ``limit``.

        Raises:
            LogError: as `Feed.read_after`.
        """
        for batch in self._recent:
            if batch[0].position <= position + 1 <= batch[-1].position:
                return batch[position + 1 - batch[0].position :][:limit]
        task = self._in_flight.get(position)
        if task is None:
            task = asyncio.create_task(self._read(position, limit), name=f"read after {position}")
            self._in_flight[position] = task
            task.add_done_callback(lambda _: self._in_flight.pop(position, None))
        # A cancelled caller must not cancel the read for the others.
        return await asyncio.shield(task)

    async def _read(self, position: Position, limit: int) -> Sequence[Event]:
        events = await self._feed.read_after(position, limit)
        if len(events) == limit:
            self._recent.append(events)
        else:  # near the head, where the feed itself holds the newest events
            self._recent.clear()
        return events

    def close(self) -> None:
        """Cancel the reads in flight, and so all callers that wait for them."""
        for task in list(self._in_flight.values()):
            task.cancel()
