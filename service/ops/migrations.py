"""Migrates a database: the migrations of each package, then the read models' schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from events.database import Connection
from events.migrate import find_missing, migrate
from projections import registry

_SERVICE: Final = Path(__file__).parents[1]
_PROJECTIONS: Final = Path(registry.__file__).parent
ROOMS: Final = (
    _PROJECTIONS,
    _SERVICE / "auth",
    _SERVICE / "executors",
    _SERVICE / "runs",
    _SERVICE / "schedules",
)
"""The packages with migrations, beside those of the log."""


async def migrate_all(url: str) -> list[str]:
    """Apply what is missing, as the login role of ``url``; safe while a service runs.

    Returns:
        The names of the migrations that it applied and of the schemas that it made.

    Raises:
        MigrationRefused: the database cannot be migrated; the message says what to do.
        LogUnavailable: the server cannot be reached.
    """
    applied = await migrate(url, _folders())
    return [*applied, *await registry.create_schemas(url)]


async def missing_migrations(connection: Connection) -> list[str]:
    """Name the migrations that a database lacks.

    Raises:
        MigrationRefused: the database was set up by an incompatible build.
        LogUnavailable: it was never migrated, or does not answer.
    """
    return await find_missing(connection, _folders())


def _folders() -> list[Path]:
    return [room / "sql" / "migrations" for room in ROOMS]
