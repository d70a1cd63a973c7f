"""Verifies a read model whole: folds history again beside it and compares every row.

All of it is one transaction that is rolled back. So nobody else sees the shadow version, a killed
process leaves nothing behind, and both sides are compared as of one moment while others write. The
price: until it ends, Postgres cannot vacuum rows that were changed meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from events.database import Pool, close_quietly, connect, load, translate_errors
from events.envelope import Position
from events.store import Log
from projections.bulk.bulk_loader import BulkLoader, finish
from projections.bulk.segments import split_history
from projections.errors import UnknownProjection, VerificationInProgress
from projections.flow_versions import FlowVersions
from projections.live.paused import skipped_events
from projections.projection import Version
from projections.registry import (
    READ_MODEL_LOCKS,
    create_indexes,
    create_tables,
    discover_all,
    servable_versions,
)
from projections.verify.diff import Comparison, compare

SHADOW_VERSION: Final = 2**31 - 1
"""The number of the shadow version while it exists; no rebuild gets that far."""

_SQL: Final = Path(__file__).parents[1] / "sql"


@dataclass(frozen=True, slots=True)
class FullVerification:
    """A verification in progress: the serving version and its position."""

    version: Version
    position: Position
    _connection: Any
    _pool: Pool

    async def run(self, on_folded: Callable[[int], object]) -> Comparison:
        """Fold and compare; left is the serving version, right the log.

        ``on_folded`` is called for each segment, with the number of its positions.

        Raises:
            ApplyEventError: the fold failed; names the event's position.
            LogError: the log cannot be read.
        """
        shadow = Version(self.version.projection, SHADOW_VERSION)
        with translate_errors():
            await create_tables(self._connection, shadow)
        await self._fold(shadow, on_folded)
        with translate_errors():
            await finish(self._connection, shadow.projection)
            await create_indexes(self._connection, shadow)
            await self._connection.execute(
                load(_SQL, "release_version"), shadow.name, shadow.number, self.position
            )
        return await compare(self._connection, shadow.name, self.version.number, shadow.number)

    async def _fold(self, shadow: Version, on_folded: Callable[[int], object]) -> None:
        log = Log(self._pool)
        skipped = frozenset(await skipped_events(log, shadow.name, self.version.number))
        loader = BulkLoader(
            shadow.projection,
            schema=shadow.schema,
            connection=self._connection,
            flows=FlowVersions(log),
            skipped=skipped,
            target=self.position,
        )
        segments = await split_history(self._connection, shadow.projection, self.position, skipped)
        for segment in segments:
            await loader.load(segment, _mark_nothing)
            on_folded(segment.up_to - segment.after)


@asynccontextmanager
async def full_verification(url: str, pool: Pool, name: str) -> AsyncIterator[FullVerification]:
    """Prepare to verify a read model's serving version; undo everything at the end.

    Raises:
        UnknownProjection: there is no such read model.
        UnknownSchemaVersion: this release does not know its schema version.
        VerificationInProgress: another process verifies or rebuilds it.
        LogUnavailable: the database does not answer.
    """
    connection = await connect(url)
    transaction = connection.transaction(isolation="repeatable_read")
    try:
        with translate_errors():
            await transaction.start()
            if not await connection.fetchval(load(_SQL, "try_lock_verify"), READ_MODEL_LOCKS, name):
                raise VerificationInProgress(name)
        version, position = await _serving_checkpoint(connection, name)
        yield FullVerification(version, position, connection, pool)
    finally:
        # Without a commit everything is undone, also when the connection is lost.
        await close_quietly(connection)


async def _serving_checkpoint(
    connection: asyncpg.Connection, name: str
) -> tuple[Version, Position]:
    versions = await servable_versions(connection, discover_all())
    if name not in versions:
        raise UnknownProjection([name])
    version = versions[name]
    with translate_errors():
        row = await connection.fetchrow(load(_SQL, "read_checkpoints"), name, [version.number])
    if row is None:
        raise UnknownProjection([version.schema])
    return version, row["position"]


async def _mark_nothing(_connection: asyncpg.Connection) -> None:
    """Record no progress: an interrupted verification starts again from the beginning."""
