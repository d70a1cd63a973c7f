"""The reads of `load_plans`: each one statement, many look-ups at a time, each with its tenant."""

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
    """Find runs by tenant and run id, each as `LoadPlan`."""
    tenants, run_ids = columns_of(keys, 2)
    return lookup_result(await connection.fetch(load(_SQL, "by_run_ids"), tenants, run_ids))


async def by_run_numbers(
    connection: asyncpg.Connection, keys: Sequence[tuple[str, int]]
) -> LookupResult[tuple[str, int]]:
    """Find runs by tenant and run number, each as `LoadPlan`. Numbers are 64-bit."""
    tenants, numbers = columns_of(keys, 2)
    return lookup_result(await connection.fetch(load(_SQL, "by_run_numbers"), tenants, numbers))
