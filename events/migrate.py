"""Migrates a database to this release's schema: role, then each room's migrations in order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg

from events.database import APP_ROLE, close_quietly, connect, load, translate_errors
from events.errors import MigrationRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MIGRATIONS: Final = Path(__file__).parent / "sql" / "migrations"
"""The log's own migrations. Those of another room are in ``ROOM/sql/migrations``."""

OLDEST_POSTGRES: Final = 15

_SQL: Final = Path(__file__).parent / "sql"
_LOCK: Final = 0x666C6F77  # "flow"; an advisory lock: one process at a time migrates a database
_ROLE_RACES: Final = (
    asyncpg.DuplicateObjectError,
    asyncpg.UniqueViolationError,
    asyncpg.InternalServerError,  # "tuple concurrently updated": roles belong to the whole cluster
)


@dataclass(frozen=True, slots=True)
class _Migration:
    room: str
    name: str
    text: str

    @property
    def key(self) -> tuple[str, str]:
        return self.room, self.name

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


async def migrate(url: str, extra: Sequence[Path] = ()) -> list[str]:
    """Apply missing migrations as the login role of ``url``; return their names.

    Each migration is one transaction. Concurrent calls for one database run one after the other.
    ``extra`` names the migration folders of further rooms, applied after the log's own.

    Unknown migrations in the database are accepted: a newer release has applied them, and they
    keep older releases working.

    Raises:
        MigrationRefused: the server is too old; the login role may not create the
            service's role or a schema; or the database was set up by an incompatible build.
        SessionRefused: the database is not in UTF-8, read-only, or has another setting amiss.
        LogUnavailable: the server cannot be reached.
    """
    connection = await connect(url, role=None)
    try:
        with translate_errors():
            _check_server(connection)
            async with _migration_lock(connection):
                await _ensure_role(connection)
                await _ensure_schema(connection)
                return await _apply(connection, _migrations([MIGRATIONS, *extra]))
    finally:
        await close_quietly(connection)


async def find_missing(connection: asyncpg.Connection, extra: Sequence[Path] = ()) -> list[str]:
    """Name the migrations that a database lacks; ``extra`` is as for `migrate`.

    Raises:
        MigrationRefused: the database was set up by an incompatible build.
        LogUnavailable: it was never migrated, or does not answer.
    """
    migrations = _migrations([MIGRATIONS, *extra])
    with translate_errors():
        applied = await _read_applied(connection)
    _check_applied(applied, migrations)
    return [each.name for each in migrations if each.key not in applied]


def _migrations(folders: Sequence[Path]) -> list[_Migration]:
    return [
        _Migration(folder.parent.parent.name, path.stem, path.read_text(encoding="utf-8"))
        for folder in folders
        for path in sorted(folder.glob("*.sql"))
    ]


def _check_server(connection: asyncpg.Connection) -> None:
    major = connection.get_server_version().major
    if major < OLDEST_POSTGRES:
        raise MigrationRefused(f"Postgres {OLDEST_POSTGRES} or newer is needed, this is {major}")


@asynccontextmanager
async def _migration_lock(connection: asyncpg.Connection) -> AsyncIterator[None]:
    await connection.execute("select pg_advisory_lock($1)", _LOCK)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("select pg_advisory_unlock($1)", _LOCK)


async def _ensure_role(connection: asyncpg.Connection) -> None:
    try:
        if not await connection.fetchval("select to_regrole($1)::text", APP_ROLE):
            await _execute_despite_races(connection, f"create role {APP_ROLE} nologin")
        if not await _can_become_app(connection):
            await _execute_despite_races(connection, f"grant {APP_ROLE} to current_user")
    except asyncpg.InsufficientPrivilegeError as error:
        login = await connection.fetchval("select current_user")
        script = load(_SQL, "role").replace("LOGIN", f'"{login}"')
        raise MigrationRefused(
            f"role {login} may not make {APP_ROLE}; let an administrator run:\n\n{script}"
        ) from error


async def _execute_despite_races(connection: asyncpg.Connection, statement: str) -> None:
    try:
        await connection.execute(statement)
    except _ROLE_RACES:
        # Another database of this cluster is being migrated, and that migration was first.
        return


async def _can_become_app(connection: asyncpg.Connection) -> bool:
    try:
        await connection.execute(f"set role {APP_ROLE}")
    except asyncpg.InsufficientPrivilegeError:
        return False
    await connection.execute("reset role")
    return True


async def _ensure_schema(connection: asyncpg.Connection) -> None:
    try:
        await connection.execute("create schema if not exists log")
        await connection.execute(load(_SQL, "migrations_table"))
        database = await connection.fetchval("select quote_ident(current_database())")
        await connection.execute(f"grant create on database {database} to {APP_ROLE}")
    except asyncpg.InsufficientPrivilegeError as error:
        login = await connection.fetchval("select current_user")
        raise MigrationRefused(
            f"role {login} must own the database, or may create and grant in it: {error}"
        ) from error


async def _apply(connection: asyncpg.Connection, migrations: Sequence[_Migration]) -> list[str]:
    applied = await _read_applied(connection)
    missing = [migration for migration in migrations if migration.key not in applied]
    _check_applied(applied, migrations)
    for migration in missing:
        await _apply_one(connection, migration)
    return [migration.name for migration in missing]


async def _read_applied(connection: asyncpg.Connection) -> dict[tuple[str, str], str]:
    rows = await connection.fetch("select room, name, sha256 from log.migrations")
    return {(row["room"], row["name"]): row["sha256"] for row in rows}


def _check_applied(
    applied: Mapping[tuple[str, str], str], migrations: Sequence[_Migration]
) -> None:
    """Refuse a database whose migrations are neither a part of ours nor an extension."""
    ours = {migration.key: migration.sha256 for migration in migrations}
    changed = [key for key in ours if key in applied and applied[key] != ours[key]]
    rooms = {room for room, _ in ours}
    unknown = [key for key in applied if key not in ours and key[0] in rooms]
    if not changed and (not unknown or applied.keys() >= ours.keys()):
        return
    differences = [f"{room}/{name} is not the same" for room, name in sorted(changed)]
    differences += [f"{room}/{name} is unknown here" for room, name in sorted(unknown)]
    raise MigrationRefused(
        "the database was set up by another build of Flowledger, and this one cannot go on with it."
        f" Its migrations differ: {', '.join(differences)}.\n\n"
        "Nothing was changed. Use the build that set it up, or move its log to a new database: run"
        " `flowledger events export FILE` with that build, then `flowledger migrate` and"
        " `flowledger events import FILE` with this one."
    )


async def _apply_one(connection: asyncpg.Connection, migration: _Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.text)
        await connection.execute(
            "insert into log.migrations (room, name, sha256) values ($1, $2, $3)",
            migration.room,
            migration.name,
            migration.sha256,
        )
