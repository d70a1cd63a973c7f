"""The session of a process that works on a read model's rebuilds: a lock, and what it needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from events.database import (
    OPERATOR_TIMEOUT_S,
    STATEMENT_TIMEOUT_S,
    Database,
    close_quietly,
    load,
    translate_errors,
)
from events.store import Log
from projections.errors import RebuildRefused
from projections.projection import Projection, Version
from projections.rebuild import jobs
from projections.rebuild.jobs import Rebuild
from projections.registry import discover_all, servable_versions

_SQL: Final = Path(__file__).parents[1] / "sql"


@dataclass(frozen=True, slots=True)
class RebuildSession:
    """A connection that holds the lock on a read model's rebuilds, and the log."""

    database: Database
    connection: asyncpg.Connection
    log: Log
    known: tuple[Projection, ...]

    @property
    def newest(self) -> dict[str, Projection]:
        """The newest schema version of each read model that this release knows."""
        return {
            each.name: each for each in sorted(self.known, key=lambda each: each.schema_version)
        }

    async def fetchval(self, statement: str, *parameters: object) -> Any:  # noqa: ANN401 - the driver's
        """Run a statement of `projections.sql` for its one value."""
        return await self.connection.fetchval(load(_SQL, statement), *parameters)

    async def find(self, name: str) -> Rebuild:
        """Read the rebuild that is being worked on."""
        found = await jobs.find(self.connection, name)
        assert found is not None  # noqa: S101 - it was recorded
        return found

    async def serving(self, name: str) -> Version:
        """Find a read model's serving version, of a schema version that this release knows."""
        return (await servable_versions(self.connection, self.known_of(name)))[name]

    def known_of(self, name: str) -> list[Projection]:
        """Give the schema versions of a read model that this release knows."""
        return [each for each in self.known if each.name == name]

    def version(self, name: str, schema_version: int, number: int) -> Version:
        """Give a version of a read model.

        Raises:
            RebuildRefused: this release does not know its schema version.
        """
        for projection in self.known_of(name):
            if projection.schema_version == schema_version:
                return Version(projection, number)
        raise RebuildRefused(
            f"{name} version {number} has schema version {schema_version}, which this release does"
            " not know: use the release that made it"
        )


@asynccontextmanager
async def acquire_session(
    url: str, name: str, known: Iterable[Projection] | None = None
) -> AsyncIterator[RebuildSession | None]:
    """Lock a read model's rebuilds; None if another process has locked them.

    Raises:
        LogUnavailable: the database does not answer.
    """
    async with AsyncExitStack() as stack:
        database = Database(url, statement_timeout_s=OPERATOR_TIMEOUT_S)
        connection = await database.connect()
        stack.push_async_callback(close_quietly, connection)
        pool = await database.open_pool(max_size=2, statement_timeout_s=STATEMENT_TIMEOUT_S)
        stack.push_async_callback(pool.close)
        with translate_errors():
            locked = await jobs.try_lock(connection, name)
        projections = tuple(known or discover_all())
        yield RebuildSession(database, connection, Log(pool), projections) if locked else None
