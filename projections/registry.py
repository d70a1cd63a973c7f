"""Which read models there are, which version of each answers, and how far they are."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import asyncpg

from events.database import Pool, connect, connect_pool, hang_up, load, translate
from projections import read_models
from projections.errors import UnknownProjection
from projections.projection import Projection, schema_of

_SQL: Final = Path(__file__).parent / "sql"


def discover() -> tuple[Projection, ...]:
    """Find every read model: each folder of `projections.read_models`, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(read_models.__path__))
    modules = [import_module(f"{read_models.__name__}.{name}") for name in names]
    return tuple(module.PROJECTION for module in modules)


async def create_schemas(url: str, projections: Iterable[Projection] | None = None) -> list[str]:
    """Make the tables of every read model version that has none yet; names the schemas it made.

    The first version of a read model answers from now on; a later one when it is flipped to. Safe
    beside itself and beside a running service. The database must be migrated.

    Raises:
        LogUnavailable: the database cannot be reached, or is not migrated.
    """
    connection = await connect(url)
    try:
        with translate():
            wanted = discover() if projections is None else projections
            return [p.schema for p in wanted if await _create(connection, p)]
    finally:
        await hang_up(connection)


async def _create(connection: asyncpg.Connection, projection: Projection) -> bool:
    name, version = projection.name, projection.version
    async with connection.transaction():
        await connection.execute(load(_SQL, "one_at_a_time"))
        if await connection.fetchval(load(_SQL, "exists"), name, version):
            return False
        await connection.execute(load(_SQL, "create_version"), name, version)
        await connection.execute(load(_SQL, "set_search_path"), projection.schema)
        for statement in _statements(projection):
            await connection.execute(statement)
    return True


def _statements(projection: Projection) -> list[str]:
    files = [
        *sorted(projection.folder.glob("create*.sql")),
        *sorted(projection.folder.glob("index*.sql")),
    ]
    return [load(projection.folder, file.stem) for file in files]


async def serving(connection: asyncpg.Connection | Pool) -> dict[str, int]:
    """Tell which version of each read model answers."""
    with translate():
        return {
            row["name"]: row["version"] for row in await connection.fetch(load(_SQL, "serving"))
        }


async def open_read_pool(url: str, *, min_size: int = 1, max_size: int = 10) -> Pool:
    """Open a pool whose bare table names are those of the versions that answer now.

    Raises:
        UnknownProjection: a read model of this release has not been set up.
        LogUnavailable: the database cannot be reached, or is not migrated.
    """
    versions = await _served(url)
    if missing := [p.name for p in discover() if p.name not in versions]:
        raise UnknownProjection(missing)
    path = ", ".join(schema_of(name, version) for name, version in sorted(versions.items()))
    return await connect_pool(
        url, min_size=min_size, max_size=max_size, search_path=path, init=_set_up_reader
    )


async def _served(url: str) -> dict[str, int]:
    connection = await connect(url)
    try:
        return await serving(connection)
    finally:
        await hang_up(connection)


async def _set_up_reader(connection: asyncpg.Connection) -> None:
    await connection.execute(load(_SQL, "read_session"))


async def status(connection: asyncpg.Connection | Pool) -> list[dict[str, Any]]:
    """Tell how far every version of every read model is.

    Each has ``name``, ``version``, ``serving`` (whether it answers), ``position``, ``head`` of the
    log, ``lag_events``, ``lag_s`` (the age of the first event not applied; 0.0 at the head),
    ``state`` (running or paused), ``error`` and ``error_position`` of a paused one.
    """
    with translate():
        rows = await connection.fetch(load(_SQL, "status"))
    return [dict(row) for row in rows]
