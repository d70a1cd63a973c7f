"""The feed as the read models of one process use it: history is read and decoded once for all."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from events.envelope import Event, Position
from events.follow import Feed

RECENT: Final = 8
"""Batches of history kept at hand for the slower read models."""


class SharedFeed:
    """Gives what `Feed.after` gives, asking it once where several ask for the same."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._recent: deque[Sequence[Event]] = deque(maxlen=RECENT)
        self._asked: dict[Position, asyncio.Task[Sequence[Event]]] = {}

    async def after(self, position: Position, limit: int) -> Sequence[Event]:
        """Wait until something lies beyond a position and give it: contiguous, at most ``limit``.

        Raises:
            LogError: as `Feed.after`.
        """
        for batch in self._recent:
            if batch[0].position <= position + 1 <= batch[-1].position:
                return batch[position + 1 - batch[0].position :][:limit]
        task = self._asked.get(position)
        if task is None:
            task = asyncio.create_task(self._read(position, limit), name=f"read on from {position}")
            self._asked[position] = task
            task.add_done_callback(lambda _: self._asked.pop(position, None))
        return await asyncio.shield(task)

    async def _read(self, position: Position, limit: int) -> Sequence[Event]:
        events = await self._feed.after(position, limit)
        if len(events) == limit:
            self._recent.append(events)
        else:  # the head is near: the feed itself has what comes now
            self._recent.clear()
        return events

    def close(self) -> None:
        """Stop reading for those who wait."""
        for task in list(self._asked.values()):
            task.cancel()
