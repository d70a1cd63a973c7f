"""Checks a read model: history is folded again beside it, and every row compared at one position.

All of it is one transaction that is rolled back: nobody else sees the second version, whoever dies
leaves nothing behind, and both sides are seen as they were at one moment while others write on. The
price is that Postgres cannot clean up what is changed meanwhile until it ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from events.database import Pool, connect, hang_up, load, translate
from events.envelope import Position
from events.store import Log
from projections.bulk.bulk_loader import Folding, finish
from projections.bulk.segments import parts_of
from projections.errors import UnknownProjection, VerificationInProgress
from projections.flow_versions import Flows
from projections.live.paused import skipped_events
from projections.projection import Version
from projections.registry import answering, create_indexes, create_tables, shapes
from projections.verify.comparison import Comparison, compare

BESIDE: Final = 2**31 - 1
"""The number of the second version while it is there; no rebuild gets so far."""

_SQL: Final = Path(__file__).parents[1] / "sql"


@dataclass(frozen=True, slots=True)
class Check:
    """A check under way: the version that answers, and how far history is to be folded."""

    version: Version
    position: Position
    _connection: Any
    _pool: Pool

    async def run(self, folded: Callable[[int], object]) -> Comparison:
        """Fold and compare: on the left what is served, on the right what the log says.

        ``folded`` is called with the number of positions that each part covers.

        Raises:
            ApplyEventError: the projection cannot apply an event; names its position.
            LogError: the log cannot be read.
        """
        beside = Version(self.version.projection, BESIDE)
        with translate():
            await create_tables(self._connection, beside)
        await self._fold(beside, folded)
        with translate():
            await finish(self._connection, beside.projection)
            await create_indexes(self._connection, beside)
            await self._connection.execute(
                load(_SQL, "place"), beside.name, beside.number, self.position
            )
        return await compare(self._connection, beside.name, self.version.number, beside.number)

    async def _fold(self, beside: Version, folded: Callable[[int], object]) -> None:
        log = Log(self._pool)
        skipped = frozenset(await skipped_events(log, beside.name, self.version.number))
        folding = Folding(
            beside.projection,
            schema=beside.schema,
            connection=self._connection,
            flows=Flows(log),
            skipped=skipped,
            target=self.position,
        )
        for part in await parts_of(self._connection, beside.projection, self.position, skipped):
            await folding.fold(part, _unmarked)
            folded(part.up_to - part.after)


@asynccontextmanager
async def checking(url: str, pool: Pool, name: str) -> AsyncIterator[Check]:
    """Begin to check the version of a read model that answers; at the end all of it is undone.

    Raises:
        UnknownProjection: there is no such read model.
        UnknownShape: this release does not know its shape.
        VerificationInProgress: somebody else is checking it.
        LogUnavailable: the database does not answer.
    """
    connection = await connect(url)
    transaction = connection.transaction(isolation="repeatable_read")
    try:
        with translate():
            await transaction.start()
            if not await connection.fetchval(load(_SQL, "hold_check"), name):
                raise VerificationInProgress(name)
        version, position = await _stand(connection, name)
        yield Check(version, position, connection, pool)
    finally:
        # Without a commit all is undone, also where the connection is lost.
        await hang_up(connection)


async def _stand(connection: asyncpg.Connection, name: str) -> tuple[Version, Position]:
    versions = await answering(connection, shapes())
    if name not in versions:
        raise UnknownProjection([name])
    version = versions[name]
    with translate():
        row = await connection.fetchrow(load(_SQL, "read_checkpoint"), name, version.number)
    if row is None:
        raise UnknownProjection([version.schema])
    return version, row["position"]


async def _unmarked(_connection: asyncpg.Connection) -> None:
    """Keep no book of parts: a check that is stopped begins anew."""
