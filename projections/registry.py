"""The read models of this release, and the registry of their versions in the database."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import asyncpg

from events.database import Database, Pool, close_quietly, connect, load, translate_errors
from events.rights import repair_rights
from projections import read_models
from projections.errors import CheckpointBeyondLog, UnknownProjection, UnknownSchemaVersion
from projections.projection import Projection, Version, schema_of

READ_MODEL_LOCKS: Final = 1886547819
"""The class of the advisory locks of read models, held by rebuilds and verifications."""

_SQL: Final = Path(__file__).parent / "sql"


def discover() -> tuple[Projection, ...]:
    """Find the newest schema version of every read model: each package of `read_models`."""
    return tuple(module.PROJECTION for module in _modules())


def discover_all() -> tuple[Projection, ...]:
    """Find every schema version of every read model that this release applies and reads."""
    return tuple(each for module in _modules() for each in (*module.PREVIOUS, module.PROJECTION))


def _modules() -> list[Any]:
    names = sorted(module.name for module in pkgutil.iter_modules(read_models.__path__))
    return [import_module(f"{read_models.__name__}.{name}") for name in names]


async def take_ownership(url: str) -> list[str]:
    """Give the schemas of all versions to the service's role; return the statements that it ran.

    They are its own, unless a dump was restored without owners.

    Raises:
        MigrationRefused: the login role may not; it names the statements for an administrator.
        LogUnavailable: the database cannot be reached, or is not migrated.
    """
    connection = await connect(url, role=None)
    try:
        with translate_errors():
            return await repair_rights(connection, {}, await version_schemas(connection))
    finally:
        await close_quietly(connection)


async def version_schemas(connection: asyncpg.Connection) -> list[str]:
    """Read the names of the schemas of all versions of all read models."""
    rows = await connection.fetch(load(_SQL, "version_schemas"))
    return [schema_of(row["name"], row["version"]) for row in rows]


async def create_schemas(url: str, projections: Iterable[Projection] | None = None) -> list[str]:
    """Create every read model that does not exist yet; says what was done, one line each.

    The first version of a read model serves at once. If this release has a newer schema version
    than the serving one, a rebuild is requested, which a running service carries out; if it has an
    older one, nothing is done. Safe to run concurrently and beside a service.

    Raises:
        LogUnavailable: the database cannot be reached, or is not migrated.
    """
    connection = await connect(url)
    try:
        with translate_errors():
            wanted = discover() if projections is None else projections
            done = [await _set_up(connection, projection) for projection in wanted]
            return [each for each in done if each is not None]
    finally:
        await close_quietly(connection)


async def _set_up(connection: asyncpg.Connection, projection: Projection) -> str | None:
    async with connection.transaction():
        await connection.execute(load(_SQL, "lock_set_up"))
        row = (await read_registry(connection)).get(projection.name)
        if row is None:
            version = Version(projection, 1)
            await create_tables(connection, version)
            await create_indexes(connection, version)
            return version.schema
        if projection.schema_version <= row.schema_version:
            return None
        request = (projection.name, projection.schema_version, None, None, "migrate", "migrate")
        requested = await connection.fetchval(load(_SQL, "request_rebuild"), *request)
        if not requested:
            return None
        return f"rebuild of {projection.name} in schema version {projection.schema_version}"


async def create_tables(connection: asyncpg.Connection, version: Version) -> None:
    """Record a version and create its tables, without indexes; in the caller's transaction."""
    projection = version.projection
    await connection.execute(
        load(_SQL, "create_version"), projection.name, version.number, projection.schema_version
    )
    await _execute(connection, version, "create*.sql")


async def create_indexes(connection: asyncpg.Connection, version: Version) -> None:
    """Create a version's indexes; in the caller's transaction."""
    await _execute(connection, version, "index*.sql")


async def _execute(connection: asyncpg.Connection, version: Version, files: str) -> None:
    await connection.execute(load(_SQL, "set_search_path"), version.schema)
    for file in sorted(version.projection.folder.glob(files)):
        await connection.execute(load(version.projection.folder, file.stem))


@dataclass(frozen=True, slots=True)
class ServingVersions:
    """A read model's serving version, and the previous one if it is kept.

    ``changed_s`` is the number of seconds since it began to serve.
    """

    name: str
    version: int
    schema_version: int
    previous_version: int | None
    previous_schema_version: int | None
    changed_s: float


async def read_registry(connection: asyncpg.Connection | Pool) -> dict[str, ServingVersions]:
    """Read the serving and previous version of each read model, by its name."""
    with translate_errors():
        rows = await connection.fetch(load(_SQL, "read_registry"))
    return {row["name"]: ServingVersions(**dict(row)) for row in rows}


async def serving_numbers(connection: asyncpg.Connection | Pool) -> dict[str, int]:
    """Read the number of each read model's serving version, by its name."""
    return {name: each.version for name, each in (await read_registry(connection)).items()}


async def servable_versions(
    connection: asyncpg.Connection | Pool, known: Iterable[Projection]
) -> dict[str, Version]:
    """Choose the version of each read model that a process with these projections serves.

    That is the serving version; or the previous one, if the process is of an older release that
    does not know the schema version of the serving one.

    Raises:
        UnknownProjection: a read model has not been set up.
        UnknownSchemaVersion: this release can read no version of a read model.
        LogUnavailable: the database does not answer, or is not migrated.
    """
    by_schema_version = {(each.name, each.schema_version): each for each in known}
    rows = await read_registry(connection)
    names = dict.fromkeys(name for name, _ in by_schema_version)
    if missing := [name for name in names if name not in rows]:
        raise UnknownProjection(missing)
    return {name: _servable(rows[name], by_schema_version) for name in names}


def _servable(row: ServingVersions, known: Mapping[tuple[str, int], Projection]) -> Version:
    if projection := known.get((row.name, row.schema_version)):
        return Version(projection, row.version)
    previous = known.get((row.name, row.previous_schema_version or 0))
    if row.previous_version and previous:
        return Version(previous, row.previous_version)
    raise UnknownSchemaVersion(row.name, row.version, row.schema_version)


async def projected_versions(connection: asyncpg.Connection) -> dict[str, tuple[str, int, int]]:
    """Read which versions projectors keep up to date.

    By schema: the read model's name, the version's number, its schema version.
    """
    with translate_errors():
        rows = await connection.fetch(load(_SQL, "projected_versions"))
    return {schema_of(name, number): (name, number, schema) for name, number, schema in rows}


async def open_read_pool(
    database: Database,
    versions: Mapping[str, Version] | None = None,
    *,
    min_size: int = 1,
    max_size: int = 10,
) -> Pool:
    """Open a pool whose bare table names are those of some versions, or of the serving ones.

    Raises:
        UnknownProjection: a read model of this release has not been set up.
        UnknownSchemaVersion: this release can read no version of a read model.
        LogUnavailable: the database cannot be reached, or is not migrated.
    """
    served = await _servable_now(database) if versions is None else versions
    path = ", ".join(version.schema for version in served.values())
    return await database.open_pool(
        min_size=min_size, max_size=max_size, search_path=path, init=_prefer_indexes
    )


async def _servable_now(database: Database) -> dict[str, Version]:
    connection = await database.connect()
    try:
        return await servable_versions(connection, discover_all())
    finally:
        await close_quietly(connection)


async def _prefer_indexes(connection: asyncpg.Connection) -> None:
    await connection.execute(load(_SQL, "prefer_indexes"))


async def status(connection: asyncpg.Connection | Pool) -> list[dict[str, Any]]:
    """Read the status of every version of every read model.

    Each has ``name``, ``version``, ``serving`` (a bool), ``position``, ``head`` of the log,
    ``lag_events``, ``lag_s`` (the age of the first unapplied event; 0.0 at the head), ``state``
    (running, paused or building), ``error`` and ``error_position`` of a paused one.
    """
    with translate_errors():
        rows = await connection.fetch(load(_SQL, "status"))
    return [dict(row) for row in rows]


async def find_unreadable(connection: asyncpg.Connection | Pool) -> list[str]:
    """Name the schemas of serving versions that the role of this session may not read."""
    with translate_errors():
        rows = await connection.fetch(load(_SQL, "unreadable"))
    return [schema_of(row["name"], row["version"]) for row in rows]


def check_checkpoints(rows: Iterable[Mapping[str, Any]]) -> None:
    """Check that the log holds all that the serving versions have applied, by their `status`.

    Raises:
        CheckpointBeyondLog: it does not.
    """
    beyond = [row for row in rows if row["serving"] and row["position"] > row["head"]]
    if beyond:
        raise CheckpointBeyondLog([schema_of(row["name"], row["version"]) for row in beyond])
