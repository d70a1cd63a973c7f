"""Brings a database to this release's schema: the role, then each room's migrations in order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg

from events.database import APP_ROLE, connect, hang_up, load, translate
from events.errors import MigrationRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MIGRATIONS: Final = Path(__file__).parent / "sql" / "migrations"
"""The log's own migrations; a room's folder is ``ROOM/sql/migrations``."""

OLDEST_POSTGRES: Final = 15

_SQL: Final = Path(__file__).parent / "sql"
_LOCK: Final = 0x666C6F77  # "flow": two migrations of one database at once follow each other
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
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


async def migrate(url: str, extra: Sequence[Path] = ()) -> list[str]:
    """Apply what is missing, as the login role of ``url``, and tell the names of what was applied.

    Each migration is one transaction; two migrations at once follow each other. ``extra`` are the
    folders of further rooms, applied after the log's own.

    Raises:
        MigrationRefused: the server is too old or not in UTF-8, the login role may not make the
            role or a schema, or an applied migration was changed afterwards.
        LogUnavailable: the server cannot be reached.
    """
    connection = await connect(url, role=None)
    try:
        with translate():
            await _check_server(connection)
            async with _alone(connection):
                await _ensure_role(connection)
                await _ensure_schema(connection)
                return await _apply(connection, _migrations([MIGRATIONS, *extra]))
    finally:
        await hang_up(connection)


def _migrations(folders: Sequence[Path]) -> list[_Migration]:
    return [
        _Migration(folder.parent.parent.name, path.stem, path.read_text(encoding="utf-8"))
        for folder in folders
        for path in sorted(folder.glob("*.sql"))
    ]


async def _check_server(connection: asyncpg.Connection) -> None:
    major = connection.get_server_version().major
    if major < OLDEST_POSTGRES:
        raise MigrationRefused(f"Postgres {OLDEST_POSTGRES} or newer is needed, this is {major}")
    encoding = await connection.fetchval("show server_encoding")
    if encoding != "UTF8":
        raise MigrationRefused(f"the database must be in UTF8, this one is in {encoding}")


@asynccontextmanager
async def _alone(connection: asyncpg.Connection) -> AsyncIterator[None]:
    await connection.execute("select pg_advisory_lock($1)", _LOCK)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("select pg_advisory_unlock($1)", _LOCK)


async def _ensure_role(connection: asyncpg.Connection) -> None:
    try:
        if not await connection.fetchval("select to_regrole($1)::text", APP_ROLE):
            await _tolerating_races(connection, f"create role {APP_ROLE} nologin")
        if not await _may_become_app(connection):
            await _tolerating_races(connection, f"grant {APP_ROLE} to current_user")
    except asyncpg.InsufficientPrivilegeError as error:
        login = await connection.fetchval("select current_user")
        script = load(_SQL, "role").replace("LOGIN", f'"{login}"')
        raise MigrationRefused(
            f"role {login} may not make {APP_ROLE}; let an administrator run:\n\n{script}"
        ) from error


async def _tolerating_races(connection: asyncpg.Connection, statement: str) -> None:
    try:
        await connection.execute(statement)
    except _ROLE_RACES:
        # Another database of this cluster is migrated right now and has just done the same.
        return


async def _may_become_app(connection: asyncpg.Connection) -> bool:
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
    rows = await connection.fetch("select room, name, sha256 from log.migrations")
    applied = {(row["room"], row["name"]): row["sha256"] for row in rows}
    done = []
    for migration in migrations:
        known = applied.get((migration.room, migration.name))
        if known is None:
            await _apply_one(connection, migration)
            done.append(migration.name)
        elif known != migration.sha256:
            raise MigrationRefused(
                f"{migration.room}/{migration.name} was changed after it had been applied"
            )
    return done


async def _apply_one(connection: asyncpg.Connection, migration: _Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.text)
        await connection.execute(
            "insert into log.migrations (room, name, sha256) values ($1, $2, $3)",
            migration.room,
            migration.name,
            migration.sha256,
        )
