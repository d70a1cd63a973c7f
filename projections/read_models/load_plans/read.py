"""Queries of `load_plans`, each one statement; look-ups are batched over tenants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg

from events.database import load
from projections.read_models.load_plans.apply import LoadPlan
from projections.results import LookupResult, columns_of, lookup_result

_SQL: Final = Path(__file__).parent


async def by_run_ids(
    connection: asyncpg.Connection, keys: Sequence[tuple[str, str]]
) -> LookupResult[tuple[str, str], LoadPlan]:
    """Look up runs by tenant and run id."""
    tenants, run_ids = columns_of(keys, 2)
    return lookup_result(await connection.fetch(load(_SQL, "by_run_ids"), tenants, run_ids))


async def by_run_numbers(
    connection: asyncpg.Connection, keys: Sequence[tuple[str, int]]
) -> LookupResult[tuple[str, int], LoadPlan]:
    """Look up runs by tenant and run number (64-bit)."""
    tenants, numbers = columns_of(keys, 2)
    return lookup_result(await connection.fetch(load(_SQL, "by_run_numbers"), tenants, numbers))
