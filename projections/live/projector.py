"""One read model's loop: fold what is new, write it and move the checkpoint, all or nothing.

A batch is one statement: it takes the checkpoint's row if that stands where this process left it,
writes, and moves it. Where another process was faster it changes nothing. So what this process
remembers of the rows is right for as long as its statements succeed, and nothing is locked between.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg

from events.database import DRIVER_ERRORS, connect, hang_up, load
from events.envelope import Event, Position
from events.errors import LogError, MissingPositions
from events.types import SCHEMA_VERSIONS
from projections.errors import ApplyEventError, UnknownProjection
from projections.flow_versions import Flows
from projections.live.skips import skips
from projections.live.state_cache import Memory
from projections.projection import Columns, Key, Version
from projections.results import Document

BATCH: Final = 2000
"""Events folded into one statement."""

BREATH: Final = 200
"""Events folded before others on the event loop have their turn."""

MOST_BYTES: Final = 32 * 1024 * 1024
"""Bytes of documents in one statement; a batch that makes more is taken in halves."""

RIVAL_S: Final = 0.02
"""How long to stay back after another process was faster: it is at work, and needs no help."""

LOOK_S: Final = 1.0
"""How often a paused or standing-by read model looks whether it may go on."""

STATEMENT_TIMEOUT_S: Final = 60.0
"""Seconds after which a statement counts as lost with its connection."""

FIRST_RETRY_S: Final = 0.1
LAST_RETRY_S: Final = 5.0

_SQL: Final = Path(__file__).parents[1] / "sql"
_EVENT_AT_FAULT: Final = re.compile("21|22|23|54")  # cardinality, data, constraint, limit

_log = logging.getLogger("flowledger.projections")


class Events(Protocol):
    """Where an applier has its events from."""

    async def after(self, position: Position, limit: int) -> Sequence[Event]:
        """Wait until something lies beyond a position and give it, contiguous."""
        ...


class Applier:
    """Keeps one version of one read model up to date, beside any number of others that do."""

    def __init__(
        self,
        version: Version,
        *,
        feed: Events,
        url: str,
        flows: Flows,
        advanced: Callable[[Version, Position], None],
    ) -> None:
        self.version = version
        self.projection = version.projection
        self.position = Position(0)
        self.state = "starting"
        self._feed = feed
        self._url = url
        self._flows = flows
        self._advanced = advanced
        self._memory = Memory(version.projection)
        self._skipped: frozenset[Position] = frozenset()
        self._rival = False
        self._retry_s = FIRST_RETRY_S
        self._connection: Any = None

    @property
    def paused(self) -> bool:
        """Whether the read model stands before an event that it cannot apply."""
        return self.state == "paused"

    def shown(self, event: Event) -> Document | None:
        """Show a run as it was after an event, where this process has just folded it."""
        return self._memory.shown(event)

    async def run(self) -> None:
        """Apply for ever; trouble with the database is waited out, and said in the log.

        Raises:
            UnknownProjection: the version was dropped.
        """
        while True:
            try:
                await self._follow()
            except (*DRIVER_ERRORS, LogError) as error:
                self._trouble(error)
            await asyncio.sleep(self._retry_s)
            self._retry_s = min(self._retry_s * 2, LAST_RETRY_S)

    async def reach(self, connection: asyncpg.Connection, position: Position) -> None:
        """Apply up to exactly a position, within the caller's transaction, which holds the row.

        Raises:
            ApplyEventError: an event cannot be applied, or is unknown to this release.
            LogError: the log cannot be read.
        """
        self._connection = connection
        await self._start()
        while self.position < position:
            before = self.position
            events = await self._feed.after(before, min(BATCH, position - before))
            if known := _known(events):
                await self._write(known)
            if self.position == before:
                raise ApplyEventError(self.projection.name, Position(before + 1), position)

    def _trouble(self, error: Exception) -> None:
        self.state = "retrying"
        # A hole in the log is an alarm: it is not passed over, and an operator must know.
        level = logging.ERROR if isinstance(error, MissingPositions) else logging.WARNING
        _log.log(
            level,
            "%s at position %s stopped, will go on in %.1f s: %s",
            self.version.schema,
            self.position,
            self._retry_s,
            str(error) or type(error).__name__,
        )

    async def _follow(self) -> None:
        self._connection = await connect(self._url, search_path=self.version.schema)
        try:
            await self._connection.execute(load(_SQL, "apply_session"))
            await self._start()
            while True:
                await self._step()
        finally:
            self._memory.forget()
            await hang_up(self._connection)

    async def _start(self) -> None:
        await self._read_skips()
        self._memory.forget()
        await self._look()

    async def _read_skips(self) -> None:
        version = self.version
        self._skipped = frozenset(await skips(self._flows.log, version.name, version.number))

    async def _look(self) -> None:
        """See where the row stands; what is remembered holds only if nobody has moved it."""
        row = await self._connection.fetchrow(
            load(_SQL, "look"),
            self.projection.name,
            self.version.number,
            timeout=STATEMENT_TIMEOUT_S,
        )
        if row is None:
            raise UnknownProjection([self.version.schema])
        if row["position"] != self.position:
            self._memory.forget()
        self.state = row["state"]
        self._move(row["position"])

    def _move(self, position: int) -> None:
        if position != self.position:
            self.position = Position(position)
            self._advanced(self.version, self.position)

    async def _step(self) -> None:
        if self.paused:
            await self._wait_for_operator()
            return
        events = await self._feed.after(self.position, BATCH)
        if self._rival and await self._rival_works():
            return
        known = _known(events)
        if not known:
            await self._stand_by(events[0])
            return
        await self._apply(known)
        self._retry_s = FIRST_RETRY_S

    async def _wait_for_operator(self) -> None:
        await asyncio.sleep(LOOK_S)
        await self._look()
        if not self.paused:
            await self._start()

    async def _rival_works(self) -> bool:
        await asyncio.sleep(RIVAL_S)
        before = self.position
        await self._look()
        self._rival = self.position != before
        return self._rival or self.paused

    async def _stand_by(self, event: Event) -> None:
        if self.state != "standing by":
            _log.warning(
                "%s stands by at position %s: %s of schema version %s is unknown to this release",
                self.version.schema,
                event.position,
                event.type,
                event.schema_version,
            )
        await asyncio.sleep(LOOK_S)
        await self._look()
        if self.position < event.position:
            self.state = "standing by"

    async def _apply(self, events: Sequence[Event]) -> None:
        """Apply a batch; one that fails is taken in halves, down to the event that is at fault."""
        try:
            await self._write(events)
        except ApplyEventError as error:
            self._memory.forget()
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
            self._memory.keep(changed)
            self.state = "running"
            self._move(after)
            return
        self._memory.forget()  # it is ahead of the rows: what was folded is not written
        await self._look()
        self._rival = True
        if self.position == before and not self.paused:
            await asyncio.sleep(RIVAL_S)  # the row is locked: somebody is writing right now

    async def _fold(self, events: Sequence[Event]) -> tuple[Sequence[Key], Columns]:
        projection = self.projection
        taken = [
            e for e in events if e.type in projection.types and e.position not in self._skipped
        ]
        try:
            await self._flows.prepare(taken)
            await self._memory.recall(self._connection, taken)
            changed: dict[Key, None] = {}
            for number, event in enumerate(taken, 1):
                for key in projection.fold(self._memory.states, event, self._flows):
                    changed[key] = None
                if number % BREATH == 0:
                    await asyncio.sleep(0)
            columns = projection.columns(self._memory.states, changed)
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
        size = sum(sum(map(len, each)) for each in documents)
        if size > MOST_BYTES and len(events) > 1:
            raise ApplyEventError(self.projection.name, events[0].position, events[-1].position)

    async def _store(self, after: Position, columns: Columns, events: Sequence[Event]) -> bool:
        try:
            taken: bool = await self._connection.fetchval(
                load(self.projection.folder, "store"),
                self.projection.name,
                self.version.number,
                self.position,
                after,
                *columns,
                timeout=STATEMENT_TIMEOUT_S,
            )
        except asyncpg.PostgresError as error:
            if not _EVENT_AT_FAULT.match(error.sqlstate or ""):
                raise
            raise ApplyEventError(self.projection.name, events[0].position, after) from error
        return taken

    async def _pause_unless_skipped(self, event: Event, error: ApplyEventError) -> None:
        # Another process may have paused here and gone on between two looks of this one.
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
            timeout=STATEMENT_TIMEOUT_S,
        )
        if paused:
            _log.error(
                "%s paused at position %s: %s",
                self.version.schema,
                event.position,
                reason,
                exc_info=error,
            )
        await self._look()


def _known(events: Sequence[Event]) -> Sequence[Event]:
    """Give the events before the first that this release does not know."""
    for index, event in enumerate(events):
        if SCHEMA_VERSIONS.get(event.type, 0) < event.schema_version:
            return events[:index]
    return events
