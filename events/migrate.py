"""Migrates a database to this release's schema: role, then each room's migrations in order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg

from events.database import APP_ROLE, close_quietly, connect, load, translate_errors
from events.errors import MigrationRefused
from events.rights import LOG_RIGHTS, repair_rights, script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

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


async def migrate(
    url: str, extra: Sequence[Path] = (), rights: Mapping[str, str] = LOG_RIGHTS
) -> list[str]:
    """Bring a database to this schema as the login role of ``url``; return what was done.

    That is the statements that put the rights of what was there right, as after a restore, and the
    names of the migrations that were missing, each applied in one transaction. Concurrent calls for
    one database run one after the other.
    ``extra`` names the migration folders of further rooms, applied after the log's own; ``rights``
    is what the service's role may do, as for `find_missing_rights`.

    Unknown migrations in the database are accepted: a newer release has applied them, and they
    keep older releases working.

    Raises:
        MigrationRefused: the server is too old; the login role may not create the service's role
            or a schema, or may not grant; or the database was set up by an incompatible build.
        SessionRefused: the database is not in UTF-8, read-only, or has another setting amiss.
        LogUnavailable: the server cannot be reached.
    """
    connection = await connect(url, role=None)
    try:
        with translate_errors():
            _check_server(connection)
            async with _migration_lock(connection):
                await _ensure_role(connection)
                restored = []
                if not await _make_schema(connection):
                    # So that a restored ledger can be read; below, what is new gets its rights.
                    restored = await repair_rights(connection, rights)
                applied = await _apply(connection, _migrations([MIGRATIONS, *extra]))
                await repair_rights(connection, rights)
                return [*restored, *applied]
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
    statements = []
    if not await connection.fetchval("select to_regrole($1)::text", APP_ROLE):
        statements.append(f"create role {APP_ROLE} nologin")
    if statements or not await _can_become_app(connection):
        login = await connection.fetchval("select quote_ident(session_user)")
        statements.append(f"grant {APP_ROLE} to {login}")
    try:
        for statement in statements:
            await _execute_despite_races(connection, statement)
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationRefused(
            f"role {await _login(connection)} may not make {APP_ROLE} or become it; let an"
            f" administrator run this, then run `flowledger migrate` again:\n\n{script(statements)}"
        ) from error


async def _login(connection: asyncpg.Connection) -> str:
    return str(await connection.fetchval("select session_user"))


@contextmanager
def _refused_without_right(login: str) -> Iterator[None]:
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationRefused(
            f"role {login} must own the database and what is in it, or be an administrator: {error}"
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


async def _make_schema(connection: asyncpg.Connection) -> bool:
    """Make the schema of the log, if there is none; tell whether it was made."""
    # Even where it is there, only whoever may create one may say "if not exists".
    if await connection.fetchval(load(_SQL, "is_set_up")):
        return False
    with _refused_without_right(await _login(connection)):
        await connection.execute("create schema if not exists log")
        await connection.execute(load(_SQL, "migrations_table"))
    return True


async def _apply(connection: asyncpg.Connection, migrations: Sequence[_Migration]) -> list[str]:
    applied = await _read_applied(connection)
    missing = [migration for migration in migrations if migration.key not in applied]
    _check_applied(applied, migrations)
    login = await _login(connection)
    for migration in missing:
        with _refused_without_right(login):
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
