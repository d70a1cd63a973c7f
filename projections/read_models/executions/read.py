"""The reads of `executions`: each one statement, many look-ups at a time, each with its tenant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg

from events.database import load
from projections.results import LookupResult, columns_of, lookup_result

_SQL: Final = Path(__file__).parent


async def by_run_ids(
    connection: asyncpg.Connection, keys: Sequence[tuple[str, str]]
) -> LookupResult[tuple[str, str]]:
    """Find runs by tenant and run id, each as `RunFacts`."""
    tenants, run_ids = columns_of(keys, 2)
    return lookup_result(await connection.fetch(load(_SQL, "by_run_ids"), tenants, run_ids))


async def by_run_numbers(
    connection: asyncpg.Connection, keys: Sequence[tuple[str, int]]
) -> LookupResult[tuple[str, int]]:
    """Find runs by tenant and run number, each as `RunFacts`. Numbers are 64-bit."""
    tenants, numbers = columns_of(keys, 2)
    return lookup_result(await connection.fetch(load(_SQL, "by_run_numbers"), tenants, numbers))


async def latest(
    connection: asyncpg.Connection, keys: Sequence[tuple[str, int]]
) -> LookupResult[tuple[str, int]]:
    """Find the run queued last of each flow, by tenant and flow number, each as `RunFacts`."""
    tenants, numbers = columns_of(keys, 2)
    return lookup_result(await connection.fetch(load(_SQL, "latest"), tenants, numbers))


async def latest_as_of(
    connection: asyncpg.Connection, tenant: str, flow_number: int, position: int
) -> str | None:
    """Name the run of a flow that was queued last up to a position the read model has passed."""
    statement = load(_SQL, "latest_as_of")
    run_id: str | None = await connection.fetchval(statement, tenant, flow_number, position)
    return run_id
