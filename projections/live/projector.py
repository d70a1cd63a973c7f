"""Applies events to one version of a read model: rows and checkpoint in one statement.

The statement takes the checkpoint row if its position is still the one that this process left. It
then writes the rows and advances the checkpoint. If another process was faster, it changes nothing.
So cached states stay valid while the statements succeed, and no lock is held between batches.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg

from events.database import DRIVER_ERRORS, Database, close_quietly, load
from events.envelope import Event, Position
from events.errors import LogError, MissingPositions
from events.types import SCHEMA_VERSIONS
from projections.errors import ApplyEventError, CheckpointBeyondLog, UnknownProjection
from projections.flow_versions import FlowVersions
from projections.live.paused import skipped_events
from projections.live.state_cache import StateCache
from projections.projection import Columns, Key, Version

BATCH_SIZE: Final = 2000
"""Events applied by one statement, at most."""

YIELD_EVERY: Final = 200
"""Events folded before the event loop runs other tasks."""

MAX_BATCH_BYTES: Final = 32 * 1024 * 1024
"""Bytes of documents in one statement; a larger batch is split in two."""

LOST_RACE_BACKOFF_S: Final = 0.02
"""Back-off after another process won the checkpoint."""

RECHECK_S: Final = 1.0
"""Seconds between two checks whether a paused or standing-by read model may continue."""

STATEMENT_TIMEOUT_S: Final = 20.0
"""Seconds after which a statement counts as lost, and its connection too."""

MIN_RETRY_S: Final = 0.1
MAX_RETRY_S: Final = 5.0

_SQL: Final = Path(__file__).parents[1] / "sql"
_EVENT_AT_FAULT: Final = re.compile("21|22|23|54")  # cardinality, data, constraint, limit

_log = logging.getLogger("flowledger.projections")


class EventSource(Protocol):
    """Where a projector reads its events."""

    async def read_after(self, position: Position, limit: int) -> Sequence[Event]:
        """Wait for events after a position: contiguous, at least one, at most ``limit``."""
        ...


class Projector:
    """Keeps one version of a read model up to date; any number of processes may run one."""

    def __init__(
        self,
        version: Version,
        *,
        feed: EventSource,
        database: Database,
        flows: FlowVersions,
        on_advance: Callable[[Version, Position], None] | None = None,
    ) -> None:
        self.version = version
        self.projection = version.projection
        self.position = Position(0)
        self.state = "starting"
        self.cache = StateCache(version.projection)
        self._feed = feed
        self._database = database
        self._flows = flows
        self._on_advance = on_advance
        self._skipped: frozenset[Position] = frozenset()
        self._lost_race = False
        self._retry_s = MIN_RETRY_S
        self._connection: Any = None

    @property
    def paused(self) -> bool:
        """Whether the read model stopped before an event that it cannot apply."""
        return self.state == "paused"

    async def run(self) -> None:
        """Apply events for ever; after a database error, log it and retry with back-off.

        Raises:
            UnknownProjection: the version was dropped.
        """
        while True:
            try:
                await self._follow()
            except (*DRIVER_ERRORS, LogError, CheckpointBeyondLog) as error:
                self._log_retry(error)
            await asyncio.sleep(self._retry_s)
            self._retry_s = min(self._retry_s * 2, MAX_RETRY_S)

    async def catch_up(self, connection: asyncpg.Connection, position: Position) -> None:
        """Apply up to exactly a position, in the caller's transaction.

        The caller has locked the checkpoint row.

        Raises:
            ApplyEventError: an event cannot be applied, or is unknown to this release.
            LogError: the log cannot be read.
        """
        self._connection = connection
        await self._restart()
        while self.position < position:
            before = self.position
            events = await self._feed.read_after(before, min(BATCH_SIZE, position - before))
            if known := _known_prefix(events):
                await self._write(known)
            if self.position == before:
                raise ApplyEventError(self.projection.name, Position(before + 1), position)

    def _log_retry(self, error: Exception) -> None:
        self.state = "retrying"
        # Both are alarms for the operator: no projector ever passes over them.
        alarm = isinstance(error, (MissingPositions, CheckpointBeyondLog))
        level = logging.ERROR if alarm else logging.WARNING
        _log.log(
            level,
            "%s at position %s stopped, retrying in %.1f s: %s",
            self.version.schema,
            self.position,
            self._retry_s,
            str(error) or type(error).__name__,
        )

    async def _follow(self) -> None:
        self._connection = await self._database.connect(
            search_path=self.version.schema, statement_timeout_s=STATEMENT_TIMEOUT_S
        )
        try:
            await self._connection.execute(load(_SQL, "prefer_indexes"))
            await self._restart()
            while True:
                await self._poll_once()
        finally:
            self.cache.clear()
            await close_quietly(self._connection)

    async def _restart(self) -> None:
        await self._read_skips()
        self.cache.clear()
        await self._read_checkpoint()

    async def _read_skips(self) -> None:
        version = self.version
        self._skipped = frozenset(
            await skipped_events(self._flows.log, version.name, version.number)
        )

    async def _read_checkpoint(self) -> None:
        """Read position and state; the cache is valid only if nobody has moved the position."""
        row = await self._connection.fetchrow(
            load(_SQL, "read_checkpoints"),
            self.projection.name,
            [self.version.number],
        )
        if row is None:
            raise UnknownProjection([self.version.schema])
        if row["position"] != self.position:
            self.cache.clear()
        self.state = row["state"]
        if self.state == "beyond the log":
            raise CheckpointBeyondLog([self.version.schema])
        self._advance_to(row["position"])

    def _advance_to(self, position: int) -> None:
        if position != self.position:
            self.position = Position(position)
            if self._on_advance is not None:
                self._on_advance(self.version, self.position)

    async def _poll_once(self) -> None:
        if self.paused:
            await self._wait_for_operator()
            return
        events = await self._feed.read_after(self.position, BATCH_SIZE)
        if self._lost_race and await self._winner_is_active():
            return
        known = _known_prefix(events)
        if not known:
            await self._stand_by(events[0])
            return
        await self._apply(known)
        self._retry_s = MIN_RETRY_S

    async def _wait_for_operator(self) -> None:
        await asyncio.sleep(RECHECK_S)
        await self._read_checkpoint()
        if not self.paused:
            await self._restart()

    async def _winner_is_active(self) -> bool:
        """Back off while the process that won the last race goes on applying."""
        await asyncio.sleep(LOST_RACE_BACKOFF_S)
        before = self.position
        await self._read_checkpoint()
        self._lost_race = self.position != before
        return self._lost_race or self.paused

    async def _stand_by(self, event: Event) -> None:
        """Leave the read model to a newer release, which knows this event's schema version."""
        if self.state != "standing by":
            _log.warning(
                "%s stands by at position %s: %s of schema version %s is unknown to this release",
                self.version.schema,
                event.position,
                event.type,
                event.schema_version,
            )
        await asyncio.sleep(RECHECK_S)
        await self._read_checkpoint()
        if self.position < event.position:
            self.state = "standing by"

    async def _apply(self, events: Sequence[Event]) -> None:
        """Apply a batch; split a failing one in two, down to the event at fault."""
        try:
            await self._write(events)
        except ApplyEventError as error:
            self.cache.clear()
            if len(events) == 1:
                await self._pause_unless_skipped(events[0], error)
                return
            middle = len(events) // 2
            await self._apply(events[:middle])
            if self.position == events[middle - 1].position:
                await self._apply(events[middle:])

    async def _write(self, events: Sequence[Event]) -> None:
        before, after = self.position, events[-1].position
        changed, columns = await self._fold(events)
        if await self._store(after, columns, events):
            self.cache.retain(changed)
            self.state = "running"
            self._advance_to(after)
            return
        self.cache.clear()  # the cached states include these events, the rows do not
        await self._read_checkpoint()
        self._lost_race = True
        if self.position == before and not self.paused:
            # Another process holds the row lock: it is writing right now.
            await asyncio.sleep(LOST_RACE_BACKOFF_S)

    async def _fold(self, events: Sequence[Event]) -> tuple[Sequence[Key], Columns]:
        projection, states = self.projection, self.cache.states
        relevant = [
            e for e in events if e.type in projection.types and e.position not in self._skipped
        ]
        try:
            await self._flows.load(relevant)
            await self.cache.load(self._connection, relevant)
            changed: dict[Key, None] = {}
            for number, event in enumerate(relevant, 1):
                for key in projection.fold(states, event, self._flows):
                    changed[key] = None
                if number % YIELD_EVERY == 0:
                    await asyncio.sleep(0)
            columns = projection.columns(states, changed)
        except (*DRIVER_ERRORS, LogError):
            raise
        except Exception as error:
            raise ApplyEventError(
                projection.name, events[0].position, events[-1].position
            ) from error
        self._check_size(columns, events)
        return tuple(changed), columns

    def _check_size(self, columns: Columns, events: Sequence[Event]) -> None:
        documents = (each for each in columns if each and isinstance(each[0], bytes))
        size_bytes = sum(sum(map(len, each)) for each in documents)
        if size_bytes > MAX_BATCH_BYTES and len(events) > 1:
            raise ApplyEventError(self.projection.name, events[0].position, events[-1].position)

    async def _store(self, after: Position, columns: Columns, events: Sequence[Event]) -> bool:
        """Write rows and checkpoint; False where another process won the checkpoint."""
        try:
            stored: bool = await self._connection.fetchval(
                load(self.projection.folder, "store"),
                self.projection.name,
                self.version.number,
                self.position,
                after,
                *columns,
            )
        except asyncpg.PostgresError as error:
            if not _EVENT_AT_FAULT.match(error.sqlstate or ""):
                raise
            raise ApplyEventError(self.projection.name, events[0].position, after) from error
        return stored

    async def _pause_unless_skipped(self, event: Event, error: ApplyEventError) -> None:
        # An operator may have recorded a skip since this process last read the skips.
        await self._read_skips()
        if event.position not in self._skipped:
            await self._pause(event, error)

    async def _pause(self, event: Event, error: ApplyEventError) -> None:
        reason = f"{event.type} in {event.stream}: {error.reason}"
        paused = await self._connection.fetchval(
            load(_SQL, "pause"),
            self.projection.name,
            self.version.number,
            self.position,
            event.position,
            reason.replace("\0", "\\0"),
        )
        if paused:
            _log.error(
                "%s paused at position %s: %s",
                self.version.schema,
                event.position,
                reason,
                exc_info=error,
            )
        await self._read_checkpoint()


def _known_prefix(events: Sequence[Event]) -> Sequence[Event]:
    """Give the events before the first that this release does not know."""
    for index, event in enumerate(events):
        if SCHEMA_VERSIONS.get(event.type, 0) < event.schema_version:
            return events[:index]
    return events
