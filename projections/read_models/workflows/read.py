"""Queries of `workflows`, each one statement; look-ups are batched over tenants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg

from events.database import load
from projections.documents.flow import FlowDocument
from projections.documents.task import WorkflowDocument
from projections.results import LookupResult, Rows, columns_of, lookup_result, rows_of

_SQL: Final = Path(__file__).parent


async def by_run_ids(
    connection: asyncpg.Connection, keys: Sequence[tuple[str, str]]
) -> LookupResult[tuple[str, str], WorkflowDocument]:
    """Look up runs by tenant and run id."""
    tenants, run_ids = columns_of(keys, 2)
    return lookup_result(await connection.fetch(load(_SQL, "by_run_ids"), tenants, run_ids))


async def flows(connection: asyncpg.Connection, tenant: str) -> Rows[FlowDocument]:
    """List a tenant's flows by name, retired ones too."""
    return rows_of(await connection.fetch(load(_SQL, "flows"), tenant))
