"""The reads of `dispatch`, for workers: each one statement, over all tenants."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import asyncpg

from events.database import load
from projections.results import Rows, rows_of

_SQL: Final = Path(__file__).parent

MANY: Final = 10_000
"""Rows that a sweep sees at once; it comes again."""


async def waiting(connection: asyncpg.Connection, limit: int) -> Rows:
    """List the runs that wait for a worker, in the order they came."""
    return rows_of(await connection.fetch(load(_SQL, "waiting"), limit))


async def claimed(connection: asyncpg.Connection, limit: int = MANY) -> Rows:
    """List the open runs that workers have claimed, by worker: is one of them silent?"""
    return rows_of(await connection.fetch(load(_SQL, "claimed"), limit))


async def overdue(connection: asyncpg.Connection, limit: int = MANY) -> Rows:
    """List the runs past their deadline by the database's clock, the longest overdue first."""
    return rows_of(await connection.fetch(load(_SQL, "overdue"), limit))
