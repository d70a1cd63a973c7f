"""Queries of `workflows`, each one statement; look-ups are batched over tenants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg

from events.database import load
from projections.results import LookupResult, Rows, columns_of, lookup_result, rows_of

_SQL: Final = Path(__file__).parent


async def by_run_ids(
    connection: asyncpg.Connection, keys: Sequence[tuple[str, str]]
) -> LookupResult[tuple[str, str]]:
    """Look up runs by tenant and run id: `RunDocument` with ``tasks``, a list of `TaskDocument`."""
    tenants, run_ids = columns_of(keys, 2)
    return lookup_result(await connection.fetch(load(_SQL, "by_run_ids"), tenants, run_ids))


async def flows(connection: asyncpg.Connection, tenant: str) -> Rows:
    """List a tenant's flows by name, retired ones too.

    Each is the body of its newest `FlowRegistered` without the plan, with ``tenant``, ``retired``,
    ``created_us``, ``updated_us`` and ``position``.
    """
    return rows_of(await connection.fetch(load(_SQL, "flows"), tenant))
