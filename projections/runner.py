"""The runner of a process: one loop a read model, all on the same decoded events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from events.envelope import Position
from events.follow import Feed
from projections.applier import Applier
from projections.flows import Flows
from projections.projection import Projection
from projections.shared import SharedFeed

Advanced = Callable[[str, Position], None]
"""Told the name of a read model and the position it has reached, whoever applied."""


class Runner:
    """Applies the log to the read models; any number of processes may, each event counts once.

    A read model that is paused, or slow, holds up no other.
    """

    def __init__(
        self, feed: Feed, url: str, projections: Iterable[Projection], flows: Flows
    ) -> None:
        self.positions: dict[str, Position] = {}
        """Where each read model stands, as far as this process knows."""
        self._callbacks: list[Advanced] = []
        self._feed = SharedFeed(feed)
        self._appliers = {
            projection.name: Applier(
                projection, feed=self._feed, url=url, flows=flows, advanced=self._advance
            )
            for projection in projections
        }

    @property
    def states(self) -> dict[str, str]:
        """What each loop is doing: starting, running, paused, standing by, retrying."""
        return {name: applier.state for name, applier in self._appliers.items()}

    def on_advance(self, callback: Advanced) -> None:
        """Have a function called whenever a read model's position is known to have changed."""
        self._callbacks.append(callback)

    async def run(self) -> None:
        """Apply for ever; to be supervised. The database may be away: it is waited for.

        Raises:
            UnknownProjection: a read model has not been set up.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for name, applier in self._appliers.items():
                    group.create_task(applier.run(), name=f"apply {name}")
        finally:
            self._feed.close()

    def _advance(self, name: str, position: Position) -> None:
        self.positions[name] = position
        for callback in self._callbacks:
            callback(name, position)
