"""The runner of a process: one loop for each version of a read model, on the same events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from events.database import connect, hang_up
from events.envelope import Event, Position
from events.errors import LogError
from events.follow import Feed
from projections.errors import UnknownProjection
from projections.flow_versions import Flows
from projections.live.feed import SharedFeed
from projections.live.projector import Applier
from projections.projection import Projection, Version
from projections.registry import applied
from projections.results import Document

LOOK_S: Final = 1.0
"""How often a runner looks for new versions, and for dropped ones."""

Advanced = Callable[[str, Position], None]
"""Told the schema of a version and the position it has reached, whoever applied."""

_log = logging.getLogger("flowledger.projections")


class Runner:
    """Applies the log to the read models; any number of processes may, each event counts once.

    It keeps every version up to date whose shape is among ``projections``, the one that answers and
    those beside it; a version of another shape is left to another release. A version that is
    paused, or slow, holds up no other.
    """

    def __init__(
        self, feed: Feed, url: str, projections: Iterable[Projection], flows: Flows
    ) -> None:
        self.positions: dict[str, Position] = {}
        """Where each version stands, by its schema, as far as this process knows."""
        self._known = {(each.name, each.shape): each for each in projections}
        self._callbacks: list[Advanced] = []
        self._feed = SharedFeed(feed)
        self._url = url
        self._flows = flows
        self._appliers: dict[str, Applier] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._foreign: frozenset[str] = frozenset()
        self._news = asyncio.Event()

    @property
    def states(self) -> dict[str, str]:
        """What each loop is doing, by schema: starting, running, paused, standing by, retrying."""
        standing_by = dict.fromkeys(self._foreign, "standing by")
        return standing_by | {schema: each.state for schema, each in self._appliers.items()}

    def on_advance(self, callback: Advanced) -> None:
        """Have a function called whenever a version's position is known to have changed."""
        self._callbacks.append(callback)

    def look(self) -> None:
        """Look at once whether there are other versions than before."""
        self._news.set()

    def shown(self, projection: Projection, event: Event) -> Document | None:
        """Show a run as it was after an event, like `fold_run`, where it was folded here just now.

        What the document holds goes on changing: look at it before anything is awaited.
        """
        for applier in self._appliers.values():
            if applier.projection is projection:
                return applier.shown(event)
        return None

    async def run(self) -> None:
        """Apply for ever; to be supervised. The database may be away: it is waited for.

        Raises:
            UnknownProjection: a read model has not been set up.
        """
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    try:
                        await self._watch(group)
                    except LogError as error:
                        _log.warning("the versions of the read models cannot be seen: %s", error)
                        await asyncio.sleep(LOOK_S)
        finally:
            self._feed.close()

    async def _watch(self, group: asyncio.TaskGroup) -> None:
        connection = await connect(self._url)
        try:
            while True:
                self._arrange(group, await applied(connection))
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._news.wait()
                self._news.clear()
        finally:
            await hang_up(connection)

    def _arrange(self, group: asyncio.TaskGroup, found: dict[str, tuple[str, int, int]]) -> None:
        """Start a loop for each new version, and end those of versions that were dropped."""
        there = {name for name, _, _ in found.values()}
        if missing := sorted({name for name, _ in self._known} - there):
            raise UnknownProjection(missing)
        for schema in self._tasks.keys() - found.keys():
            self._tasks[schema].cancel()
        ours = {
            schema: Version(projection, number)
            for schema, (name, number, shape) in found.items()
            if (projection := self._known.get((name, shape)))
        }
        self._leave({schema for schema in found if schema not in ours})
        for schema, version in ours.items():
            if schema not in self._tasks:
                self._tasks[schema] = group.create_task(
                    self._apply(version), name=f"apply {schema}"
                )

    def _leave(self, schemas: set[str]) -> None:
        names = {name for name, _ in self._known}
        foreign = frozenset(s for s in schemas if s.rpartition("_v")[0] in names)
        for schema in foreign - self._foreign:
            _log.warning("%s has a shape unknown to this release: it is left to another", schema)
        self._foreign = foreign

    async def _apply(self, version: Version) -> None:
        applier = self._appliers[version.schema] = Applier(
            version, feed=self._feed, url=self._url, flows=self._flows, advanced=self._advance
        )
        try:
            await applier.run()
        except UnknownProjection:
            _log.info("%s was dropped", version.schema)
        finally:
            for kept in (self._appliers, self._tasks, self.positions):
                kept.pop(version.schema, None)

    def _advance(self, version: Version, position: Position) -> None:
        self.positions[version.schema] = position
        for callback in self._callbacks:
            callback(version.schema, position)
