"""The reads of `listings`: each one statement, each with its tenant; documents are `RunFacts` rows.

A row is a run's facts without ``metrics``; its error has no traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg
import orjson

from events.database import load
from events.envelope import Position
from projections.results import Document, Page, Rows, columns_of, page_of, rows_of

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


class Stretch(NamedTuple):
    """The runs of a flow queued from a position on, up to the next stretch: ``rows`` of each."""

    position: int
    rows: int


class RowPage(NamedTuple):
    """The runs that have rows in a page, and the number of rows in the whole list.

    ``skipped`` rows of the first run stand before the page, and rows of the last may stand behind
    it. ``newest`` is the newest run of the list, None where it is empty.
    """

    rows: list[Document]
    skipped: int
    total: int
    newest: Document | None
    position: Position


async def row_page(
    connection: asyncpg.Connection,
    tenant: str,
    fullname: str,
    stretches: Sequence[Stretch],
    *,
    offset: int,
    limit: int,
) -> RowPage:
    """Give a page of a flow's list in which a run has as many rows as its stretch says.

    The first stretch begins at 0. ``offset`` and ``limit`` are rows, their sum a 64-bit number.
    """
    bounds, rows = columns_of(stretches, 2)
    statement = load(_SQL, "row_page")
    records = await connection.fetch(statement, tenant, fullname, bounds, rows, offset, limit)
    first = records[0]
    newest = None if first["newest"] is None else orjson.loads(first["newest"])
    page = page_of(records)
    return RowPage(page.rows, first["skipped"] or 0, page.total, newest, page.position)


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


async def newest(connection: asyncpg.Connection, tenant: str, fullnames: Sequence[str]) -> Rows:
    """Give the newest run in the list of each of a tenant's flows; an empty list has none."""
    return rows_of(await connection.fetch(load(_SQL, "newest"), tenant, list(fullnames)))


async def newest_as_of(
    connection: asyncpg.Connection, tenant: str, fullnames: Sequence[str], position: int
) -> list[str]:
    """Name the runs that `newest` gave at a position.

    The read model must have passed the position.
    """
    statement = load(_SQL, "newest_as_of")
    records = await connection.fetch(statement, tenant, list(fullnames), position)
    return [record["run_id"] for record in records]


class Members(NamedTuple):
    """Which runs a page of a list held at a position, by id, and how long the list was."""

    run_ids: list[str]
    total: int


async def members(
    connection: asyncpg.Connection,
    tenant: str,
    fullname: str | None,
    *,
    position: int,
    offset: int,
    limit: int,
    queued_by: int | None = None,
) -> Members:
    """Name the runs of a page of a tenant's list, or of a flow's, as it was at a position.

    What `page` gave when it stood there; of a flow's list, if asked so, as if it ended with the
    last run queued by ``queued_by``, which lies not behind the position. The read model must have
    passed the position. Its cost grows with the runs that have left the tenant's list since.
    """
    if fullname is None:
        statement = load(_SQL, "members_of_tenant")
        records = await connection.fetch(statement, tenant, position, offset, limit)
    else:
        statement = load(_SQL, "members_of_flow")
        last = position if queued_by is None else queued_by
        records = await connection.fetch(statement, tenant, fullname, position, offset, limit, last)
    return Members([r["run_id"] for r in records if r["run_id"]], records[0]["total"])


async def members_after(  # noqa: PLR0913 - each filter is one
    connection: asyncpg.Connection,
    tenant: str,
    *,
    position: int,
    fullname: str | None = None,
    started_by: str | None = None,
    from_us: int | None = None,
    to_us: int | None = None,
    before: int | None = None,
    limit: int,
) -> list[str]:
    """Name the runs that `after` gave at a position, for all filters that do not change.

    The read model must have passed the position.
    """
    last = position + 1 if before is None else min(before, position + 1)
    listed, _ = await after(
        connection,
        tenant,
        fullname=fullname,
        started_by=started_by,
        from_us=from_us,
        to_us=to_us,
        before=last,
        limit=limit,
    )
    # Asked second: what leaves in between is then found twice, and never missed.
    left = await connection.fetch(
        load(_SQL, "left_since"),
        *(tenant, position, fullname, started_by, from_us, to_us, last, limit),
    )
    rows: list[Any] = [*listed, *left]
    found: dict[str, int] = {row["run_id"]: row["queued_position"] for row in rows}
    return sorted(found, key=found.__getitem__, reverse=True)[:limit]


class Beyond(NamedTuple):
    """Runs that their flows' lists need not keep: tenant, id, and how many the flow keeps."""

    runs: list[tuple[str, str, int]]
    position: Position


async def beyond(
    connection: asyncpg.Connection, kept: Sequence[tuple[str, str, int]], limit: int
) -> Beyond:
    """Name runs that have ended beyond the newest ones that lists keep, oldest first.

    ``kept`` are tenant, fullname and how many of the flow's listed runs stay.
    """
    tenants, fullnames, counts = columns_of(kept, 3)
    records = await connection.fetch(load(_SQL, "beyond"), tenants, fullnames, counts, limit)
    runs = [(r["tenant"], r["run_id"], r["kept"]) for r in records if r["run_id"]]
    return Beyond(runs, Position(records[0]["position"]))


def _leading(fullname: str | None, status: str | None, started_by: str | None) -> str:
    # What is likely rare leads, by its index; the other filters look at the rows that it finds.
    if status not in (None, "succeeded"):
        return "after_of_status"
    if fullname is not None:
        return "after_of_flow"
    if started_by is not None:
        return "after_of_started_by"
    return "after_of_status" if status else "after_of_tenant"
