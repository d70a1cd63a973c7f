"""The reads of `listings`: each one statement, each with its tenant; documents are `RunFacts` rows.

A row is a run's facts without ``metrics``; its error has no traceback.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import asyncpg

from events.database import load
from projections.answers import Page, Rows, page_of, rows_of

_SQL: Final = Path(__file__).parent

NEWEST: Final = 2**63 - 1
"""A position that nothing is queued after."""


async def page(
    connection: asyncpg.Connection, tenant: str, fullname: str | None, offset: int, limit: int
) -> Page:
    """Give a page of a tenant's list, or of a flow's, newest first, and the list's length.

    ``offset`` and ``limit`` are 64-bit and not negative. A page beyond the end is empty.
    """
    if fullname is None:
        statement = load(_SQL, "page_of_tenant")
        return page_of(await connection.fetch(statement, tenant, offset, limit))
    statement = load(_SQL, "page_of_flow")
    return page_of(await connection.fetch(statement, tenant, fullname, offset, limit))


async def after(  # noqa: PLR0913 - each filter is one
    connection: asyncpg.Connection,
    tenant: str,
    *,
    fullname: str | None = None,
    status: str | None = None,
    started_by: str | None = None,
    from_us: int | None = None,
    to_us: int | None = None,
    before: int | None = None,
    limit: int,
) -> Rows:
    """List a tenant's runs by filter, queued before a position, newest first; None does not filter.

    Created at or after ``from_us`` and before ``to_us``, microseconds since 1970. The
    ``queued_position`` of the last row is where the next page goes on.
    """
    statement = load(_SQL, _leading(fullname, status, started_by))
    newest = NEWEST if before is None else before
    records = await connection.fetch(
        statement, tenant, fullname, status, started_by, from_us, to_us, newest, limit
    )
    return rows_of(records)


def _leading(fullname: str | None, status: str | None, started_by: str | None) -> str:
    # What is likely rare leads, by its index; the other filters look at the rows that it finds.
    if status not in (None, "succeeded"):
        return "after_of_status"
    if fullname is not None:
        return "after_of_flow"
    if started_by is not None:
        return "after_of_started_by"
    return "after_of_status" if status else "after_of_tenant"
