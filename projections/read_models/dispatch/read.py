"""Queries of `dispatch` for workers, each one statement over all tenants."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import asyncpg

from events.database import load
from projections.read_models.dispatch.apply import Dispatch
from projections.results import Rows, rows_of

_SQL: Final = Path(__file__).parent

MAX_ROWS: Final = 10_000
"""Rows that one sweep reads; the next sweep reads what is left."""


async def waiting(connection: asyncpg.Connection, limit: int) -> Rows[Dispatch]:
    """List the runs that wait for a worker, in the order they were queued."""
    return rows_of(await connection.fetch(load(_SQL, "waiting"), limit))


async def claimed(connection: asyncpg.Connection, limit: int = MAX_ROWS) -> Rows[Dispatch]:
    """List the open runs that workers have claimed, by worker."""
    return rows_of(await connection.fetch(load(_SQL, "claimed"), limit))


async def overdue(connection: asyncpg.Connection, limit: int = MAX_ROWS) -> Rows[Dispatch]:
    """List the runs past their deadline by the database's clock, the longest overdue first."""
    return rows_of(await connection.fetch(load(_SQL, "overdue"), limit))
