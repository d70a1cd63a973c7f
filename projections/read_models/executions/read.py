"""Queries of `executions`, each one statement; look-ups are batched over tenants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg

from events.database import load
from projections.documents.run import ExecutionDocument
from projections.results import LookupResult, columns_of, lookup_result

_SQL: Final = Path(__file__).parent


async def by_run_ids(
    connection: asyncpg.Connection, keys: Sequence[tuple[str, str]]
) -> LookupResult[tuple[str, str], ExecutionDocument]:
    """Look up runs by tenant and run id."""
    tenants, run_ids = columns_of(keys, 2)
    return lookup_result(await connection.fetch(load(_SQL, "by_run_ids"), tenants, run_ids))


async def by_run_numbers(
    connection: asyncpg.Connection, keys: Sequence[tuple[str, int]]
) -> LookupResult[tuple[str, int], ExecutionDocument]:
    """Look up runs by tenant and run number (64-bit)."""
    tenants, numbers = columns_of(keys, 2)
    return lookup_result(await connection.fetch(load(_SQL, "by_run_numbers"), tenants, numbers))


async def latest(
    connection: asyncpg.Connection, keys: Sequence[tuple[str, int]]
) -> LookupResult[tuple[str, int], ExecutionDocument]:
    """Look up each flow's last queued run by tenant and flow number."""
    tenants, numbers = columns_of(keys, 2)
    return lookup_result(await connection.fetch(load(_SQL, "latest"), tenants, numbers))


async def latest_as_of(
    connection: asyncpg.Connection, tenant: str, flow_number: int, position: int
) -> str | None:
    """Read the id of a flow's last run queued up to a position, which must have been passed."""
    statement = load(_SQL, "latest_as_of")
    run_id: str | None = await connection.fetchval(statement, tenant, flow_number, position)
    return run_id
