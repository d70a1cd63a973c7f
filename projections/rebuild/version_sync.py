"""Brings two versions of a read model to one position: under locks, or in one snapshot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from events.database import Database, close_quietly, load
from events.envelope import Event, Position
from events.store import Log
from projections.errors import RebuildRefused
from projections.flow_versions import FlowVersions
from projections.live.projector import Projector
from projections.projection import Version

MAX_ATTEMPTS: Final = 200
"""Attempts to bring two versions to one position."""

RETRY_S: Final = 0.05
"""Seconds between two attempts while a version is more than `MAX_CATCH_UP_EVENTS` behind."""

MAX_CATCH_UP_EVENTS: Final = 500
"""Events that a version may be behind to be brought up to the other while that is locked."""

_SQL: Final = Path(__file__).parents[1] / "sql"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A version's position, and the error if it is paused."""

    position: Position
    state: str
    error: str | None
    error_position: int | None


class _LogPages:
    """The log as a projector's event source, for positions that are known to exist."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def read_after(self, position: Position, limit: int) -> Sequence[Event]:
        return await self._log.read(position, limit)


class VersionPair:
    """The serving version of a read model and the one that is to follow it."""

    def __init__(self, database: Database, log: Log, serving: Version, following: Version) -> None:
        self.serving = serving
        self.following = following
        self.longest_lock_s = 0.0
        """How long projectors have been locked out at most, so far."""
        self._database = database
        self._log = log
        self._flows = FlowVersions(log)

    async def checkpoints(self, connection: asyncpg.Connection) -> tuple[Checkpoint, Checkpoint]:
        """Read both checkpoints, the serving version's first."""
        return await self._fetch(connection, "read_checkpoints")

    async def _fetch(
        self, connection: asyncpg.Connection, statement: str
    ) -> tuple[Checkpoint, Checkpoint]:
        numbers = [self.serving.number, self.following.number]
        rows: Sequence[Any] = await connection.fetch(
            load(_SQL, statement), self.serving.name, numbers
        )
        by_number = {
            row["version"]: Checkpoint(
                row["position"], row["state"], row["error"], row["error_position"]
            )
            for row in rows
        }
        if len(by_number) < len(numbers):
            raise RebuildRefused(f"a version of {self.serving.name} was dropped meanwhile")
        return by_number[self.serving.number], by_number[self.following.number]

    @asynccontextmanager
    async def lock_both(
        self, connection: asyncpg.Connection
    ) -> AsyncIterator[tuple[Checkpoint, Checkpoint]]:
        """Lock both checkpoints in one transaction, with the following one at least as far.

        Projectors skip a locked checkpoint and try again; readers are not affected.
        """
        locked_at = time.perf_counter()
        async with connection.transaction():
            serving, following = await self._fetch(connection, "lock_checkpoints")
            locked_at = time.perf_counter()
            if following.position < serving.position:
                await self._catch_up(connection, self.following, following, serving.position)
            yield await self.checkpoints(connection)
        self.longest_lock_s = max(self.longest_lock_s, time.perf_counter() - locked_at)

    async def _catch_up(
        self,
        connection: asyncpg.Connection,
        version: Version,
        checkpoint: Checkpoint,
        position: Position,
    ) -> None:
        if checkpoint.state != "running":
            raise RebuildRefused(
                f"{version.schema} is {checkpoint.state} at position"
                f" {checkpoint.error_position}: {checkpoint.error}"
            )
        if position - checkpoint.position > MAX_CATCH_UP_EVENTS:
            raise TooFarBehind(version, Position(position - checkpoint.position))
        await connection.execute(load(_SQL, "set_search_path"), version.schema)
        feed = _LogPages(self._log)
        projector = Projector(version, feed=feed, database=self._database, flows=self._flows)
        await projector.catch_up(connection, position)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[tuple[asyncpg.Connection, Position]]:
        """Open a snapshot in which both versions are at one position; projectors go on meanwhile.

        Raises:
            RebuildRefused: one is paused, or they reach no common position.
            ApplyEventError: one version cannot apply an event that the other applied.
        """
        database = self._database
        reading, locking = await database.connect(), await database.connect()
        try:
            for _ in range(MAX_ATTEMPTS):
                if await self._align(locking):
                    transaction = reading.transaction(isolation="repeatable_read", readonly=True)
                    await transaction.start()
                    serving, following = await self.checkpoints(reading)
                    if serving.position == following.position:
                        yield reading, serving.position
                        await transaction.rollback()
                        return
                    # A projector has moved one of them since the locks were released.
                    await transaction.rollback()
            raise RebuildRefused(f"the versions of {self.serving.name} reach no common position")
        finally:
            await close_quietly(reading)
            await close_quietly(locking)

    async def _align(self, locking: asyncpg.Connection) -> bool:
        try:
            async with self.lock_both(locking) as (serving, following):
                if serving.position < following.position:
                    await self._catch_up(locking, self.serving, serving, following.position)
        except TooFarBehind:
            await asyncio.sleep(RETRY_S)
            return False
        return True


class TooFarBehind(RebuildRefused):
    """A version is too many events behind to be brought up while the other one is locked."""

    def __init__(self, version: Version, lag: Position) -> None:
        super().__init__(
            f"{version.schema} is {lag} events behind; try again when it has caught up"
        )
