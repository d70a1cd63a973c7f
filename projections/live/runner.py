"""Runs a projector for each version of each read model, in one process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from events.database import Database, close_quietly
from events.envelope import Event, Position
from events.errors import LogError
from events.follow import Feed
from projections.errors import UnknownProjection
from projections.flow_versions import FlowVersions
from projections.live.feed import CoalescingFeed
from projections.live.projector import Projector
from projections.projection import Projection, Version
from projections.registry import projected_versions
from projections.results import Document

REFRESH_S: Final = 1.0
"""Seconds between two checks for new and dropped versions."""

OnAdvance = Callable[[str, Position], None]
"""Called with a version's schema and its new position, whichever process applied the events."""

_log = logging.getLogger("flowledger.projections")


class Runner:
    """Keeps the read models up to date; any number of processes may run one.

    It runs a projector for every version whose schema version is among ``projections``: the serving
    version and those kept or built beside it. It leaves others to other releases. A paused or slow
    version delays no other.
    """

    def __init__(
        self,
        feed: Feed,
        database: Database,
        projections: Iterable[Projection],
        flows: FlowVersions,
    ) -> None:
        self.positions: dict[str, Position] = {}
        """The position of each version, by its schema, as far as this process knows."""
        self._known = {(each.name, each.schema_version): each for each in projections}
        self._callbacks: list[OnAdvance] = []
        self._feed = CoalescingFeed(feed)
        self._database = database
        self._flows = flows
        self._projectors: dict[str, Projector] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._foreign: frozenset[str] = frozenset()
        self._notified = asyncio.Event()

    @property
    def states(self) -> dict[str, str]:
        """Each projector's state, by schema: starting, running, paused, standing by, retrying."""
        standing_by = dict.fromkeys(self._foreign, "standing by")
        return standing_by | {schema: each.state for schema, each in self._projectors.items()}

    def on_advance(self, callback: OnAdvance) -> None:
        """Call a function whenever this process learns a version's new position."""
        self._callbacks.append(callback)

    def notify(self) -> None:
        """Check for new and dropped versions now."""
        self._notified.set()

    def document_after(self, projection: Projection, event: Event) -> Document | None:
        """Give a run's document, as `fold_run` would, if this event was just applied here.

        None where it was not, or where the run has had a further event since. This is the one way
        by which a reader uses a projector's cache: it answers a start without a query. The document
        shares its members with the live state: serialise it before the next await.
        """
        for projector in self._projectors.values():
            if projector.projection is projection:
                return projector.cache.document_after(event)
        return None

    async def run(self) -> None:
        """Apply events for ever, also while the database is away; to be supervised.

        Raises:
            UnknownProjection: a read model has not been set up.
        """
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    try:
                        await self._follow_versions(group)
                    except LogError as error:
                        _log.warning("cannot read the versions of the read models: %s", error)
                        await asyncio.sleep(REFRESH_S)
        finally:
            self._feed.close()

    async def _follow_versions(self, group: asyncio.TaskGroup) -> None:
        connection = await self._database.connect()
        try:
            while True:
                self._reconcile(group, await projected_versions(connection))
                with suppress(TimeoutError):
                    async with asyncio.timeout(REFRESH_S):
                        await self._notified.wait()
                self._notified.clear()
        finally:
            await close_quietly(connection)

    def _reconcile(self, group: asyncio.TaskGroup, found: dict[str, tuple[str, int, int]]) -> None:
        """Start a projector for each new version, and cancel those of dropped versions."""
        existing = {name for name, _, _ in found.values()}
        if missing := sorted({name for name, _ in self._known} - existing):
            raise UnknownProjection(missing)
        for schema in self._tasks.keys() - found.keys():
            self._tasks[schema].cancel()
        ours = {
            schema: Version(projection, number)
            for schema, (name, number, schema_version) in found.items()
            if (projection := self._known.get((name, schema_version)))
        }
        self._leave_to_others({schema for schema in found if schema not in ours})
        for schema, version in ours.items():
            if schema not in self._tasks:
                self._tasks[schema] = group.create_task(
                    self._project(version), name=f"project {schema}"
                )

    def _leave_to_others(self, schemas: set[str]) -> None:
        names = {name for name, _ in self._known}
        foreign = frozenset(s for s in schemas if s.rpartition("_v")[0] in names)
        for schema in foreign - self._foreign:
            _log.warning("%s has a schema version unknown to this release: left to another", schema)
        self._foreign = foreign

    async def _project(self, version: Version) -> None:
        projector = self._projectors[version.schema] = Projector(
            version,
            feed=self._feed,
            database=self._database,
            flows=self._flows,
            on_advance=self._advance,
        )
        try:
            await projector.run()
        except UnknownProjection:
            _log.info("%s was dropped", version.schema)
        finally:
            for each in (self._projectors, self._tasks, self.positions):
                each.pop(version.schema, None)

    def _advance(self, version: Version, position: Position) -> None:
        self.positions[version.schema] = position
        for callback in self._callbacks:
            callback(version.schema, position)
