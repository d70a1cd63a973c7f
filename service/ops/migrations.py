"""Migrates a database: the migrations of each package, then the read models' schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from events.migrate import migrate
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
    applied = await migrate(url, [room / "sql" / "migrations" for room in ROOMS])
    return [*applied, *await registry.create_schemas(url)]
