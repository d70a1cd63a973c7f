"""Which read models there are, which version of each answers, and how far they are."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import asyncpg

from events.database import Pool, connect, connect_pool, hang_up, load, translate
from projections import read_models
from projections.errors import UnknownProjection, UnknownShape
from projections.projection import Projection, Version, schema_of

_SQL: Final = Path(__file__).parent / "sql"


def discover() -> tuple[Projection, ...]:
    """Find every read model in its newest shape: each folder of `projections.read_models`."""
    return tuple(module.PROJECTION for module in _modules())


def shapes() -> tuple[Projection, ...]:
    """Find every shape of every read model that this release applies and reads."""
    return tuple(each for module in _modules() for each in (*module.FORMER, module.PROJECTION))


def _modules() -> list[Any]:
    names = sorted(module.name for module in pkgutil.iter_modules(read_models.__path__))
    return [import_module(f"{read_models.__name__}.{name}") for name in names]


async def create_schemas(url: str, projections: Iterable[Projection] | None = None) -> list[str]:
    """Make every read model that there is none of yet; names the schemas that it made.

    The first version of a read model answers from now on. Where this release brings a newer shape
    than the one that answers, a rebuild is entered, which a running service takes up; where it is
    older, nothing is done. Safe beside itself and a running service. The database must be migrated.

    Raises:
        LogUnavailable: the database cannot be reached, or is not migrated.
    """
    connection = await connect(url)
    try:
        with translate():
            wanted = discover() if projections is None else projections
            done = [await _set_up(connection, projection) for projection in wanted]
            return [each for each in done if each is not None]
    finally:
        await hang_up(connection)


async def _set_up(connection: asyncpg.Connection, projection: Projection) -> str | None:
    async with connection.transaction():
        await connection.execute(load(_SQL, "one_at_a_time"))
        row = (await standings(connection)).get(projection.name)
        if row is None:
            version = Version(projection, 1)
            await create_tables(connection, version)
            await create_indexes(connection, version)
            return version.schema
        if projection.shape <= row.shape:
            return None
        wanted = (projection.name, projection.shape, None, None, "migrate", "migrate")
        entered = await connection.fetchval(load(_SQL, "want_rebuild"), *wanted)
        return f"rebuild of {projection.name} in shape {projection.shape}" if entered else None


async def create_tables(connection: asyncpg.Connection, version: Version) -> None:
    """Enter a version and make its tables, without indexes; within a transaction."""
    projection = version.projection
    await connection.execute(
        load(_SQL, "create_version"), projection.name, version.number, projection.shape
    )
    await _execute(connection, version, "create*.sql")


async def create_indexes(connection: asyncpg.Connection, version: Version) -> None:
    """Make a version's indexes; within a transaction."""
    await _execute(connection, version, "index*.sql")


async def _execute(connection: asyncpg.Connection, version: Version, files: str) -> None:
    await connection.execute(load(_SQL, "set_search_path"), version.schema)
    for file in sorted(version.projection.folder.glob(files)):
        await connection.execute(load(version.projection.folder, file.stem))


@dataclass(frozen=True, slots=True)
class Standing:
    """Which version of a read model answers, and which one answered before, if it is kept.

    ``changed_s`` is how long the one has answered.
    """

    name: str
    version: int
    shape: int
    previous_version: int | None
    previous_shape: int | None
    changed_s: float


async def standings(connection: asyncpg.Connection | Pool) -> dict[str, Standing]:
    """Tell of each read model which version answers."""
    with translate():
        rows = await connection.fetch(load(_SQL, "serving"))
    return {row["name"]: Standing(**dict(row)) for row in rows}


async def serving(connection: asyncpg.Connection | Pool) -> dict[str, int]:
    """Tell which version of each read model answers."""
    return {name: each.version for name, each in (await standings(connection)).items()}


async def answering(
    connection: asyncpg.Connection | Pool, known: Iterable[Projection]
) -> dict[str, Version]:
    """Tell from which versions a process that knows these shapes answers.

    That is the version that the registry names; or the one before, where this release is older and
    does not know the shape.

    Raises:
        UnknownProjection: a read model has not been set up.
        UnknownShape: this release can read no version of a read model.
        LogUnavailable: the database does not answer, or is not migrated.
    """
    by_shape = {(each.name, each.shape): each for each in known}
    rows = await standings(connection)
    names = dict.fromkeys(name for name, _ in by_shape)
    if missing := [name for name in names if name not in rows]:
        raise UnknownProjection(missing)
    found: dict[str, Version] = {}
    for name in names:
        row = rows[name]
        if projection := by_shape.get((name, row.shape)):
            found[name] = Version(projection, row.version)
        elif row.previous_version and (projection := by_shape.get((name, row.previous_shape or 0))):
            found[name] = Version(projection, row.previous_version)
        else:
            raise UnknownShape(name, row.version, row.shape)
    return found


async def applied(connection: asyncpg.Connection) -> dict[str, tuple[str, int, int]]:
    """Tell which versions are to be kept up to date: by schema the name, number and shape."""
    with translate():
        rows = await connection.fetch(load(_SQL, "applied"))
    return {schema_of(name, number): (name, number, shape) for name, number, shape in rows}


async def open_read_pool(
    url: str,
    versions: Mapping[str, Version] | None = None,
    *,
    min_size: int = 1,
    max_size: int = 10,
) -> Pool:
    """Open a pool whose bare table names are those of these versions; of those that answer now.

    Raises:
        UnknownProjection: a read model of this release has not been set up.
        UnknownShape: this release can read no version of a read model.
        LogUnavailable: the database cannot be reached, or is not migrated.
    """
    served = await _answering(url) if versions is None else versions
    path = ", ".join(version.schema for version in served.values())
    return await connect_pool(
        url, min_size=min_size, max_size=max_size, search_path=path, init=_set_up_reader
    )


async def _answering(url: str) -> dict[str, Version]:
    connection = await connect(url)
    try:
        return await answering(connection, shapes())
    finally:
        await hang_up(connection)


async def _set_up_reader(connection: asyncpg.Connection) -> None:
    await connection.execute(load(_SQL, "prefer_indexes"))


async def status(connection: asyncpg.Connection | Pool) -> list[dict[str, Any]]:
    """Tell how far every version of every read model is.

    Each has ``name``, ``version``, ``serving`` (whether it answers), ``position``, ``head`` of the
    log, ``lag_events``, ``lag_s`` (the age of the first event not applied; 0.0 at the head),
    ``state`` (running, paused or building), ``error`` and ``error_position`` of a paused one.
    """
    with translate():
        rows = await connection.fetch(load(_SQL, "status"))
    return [dict(row) for row in rows]
