"""Migrates a database: the migrations of each package, then the read models' schemas."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from events.database import Connection, translate_errors
from events.migrate import find_missing, migrate
from events.rights import LOG_RIGHTS, find_missing_rights
from projections import registry

_SERVICE: Final = Path(__file__).parents[1]
_PROJECTIONS: Final = Path(registry.__file__).parent
_READ_AND_WRITE: Final = "select, insert, update, delete"
ROOMS: Final[Mapping[Path, str]] = {
    _PROJECTIONS: _READ_AND_WRITE,
    _SERVICE / "auth": "select, insert",
    _SERVICE / "executors": _READ_AND_WRITE,
    _SERVICE / "runs": _READ_AND_WRITE,
    _SERVICE / "schedules": _READ_AND_WRITE,
}
"""The packages with migrations, beside those of the log, each with a schema of its name; and what
the service's role may do with the tables there."""
RIGHTS: Final = {**LOG_RIGHTS, **{room.name: rights for room, rights in ROOMS.items()}}


async def migrate_all(url: str) -> list[str]:
    """Apply what is missing, as the login role of ``url``; safe while a service runs.

    Returns:
        The names of the migrations that it applied and of the schemas that it made, and the
        statements by which it put rights and owners right.

    Raises:
        MigrationRefused: the database cannot be migrated; the message says what to do.
        LogUnavailable: the server cannot be reached.
    """
    applied = await migrate(url, _folders(), RIGHTS)
    owned = await registry.take_ownership(url)
    return [*applied, *owned, *await registry.create_schemas(url)]


async def missing_rights(connection: Connection) -> list[str]:
    """Write the statements that would put rights and owners right; none if they are.

    Raises:
        LogUnavailable: the database was never migrated, or does not answer.
    """
    with translate_errors():
        owned = await registry.version_schemas(connection)
        return await find_missing_rights(connection, RIGHTS, owned)


async def missing_migrations(connection: Connection) -> list[str]:
    """Name the migrations that a database lacks.

    Raises:
        MigrationRefused: the database was set up by an incompatible build.
        LogUnavailable: it was never migrated, or does not answer.
    """
    return await find_missing(connection, _folders())


def _folders() -> list[Path]:
    return [room / "sql" / "migrations" for room in ROOMS]
