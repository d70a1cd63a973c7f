"""Queries of `listings`, each one statement for one tenant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg
import orjson

from events.database import load
from events.envelope import Position
from projections.documents.task import ListingDocument
from projections.results import Page, Rows, columns_of, page_of, rows_of

_SQL: Final = Path(__file__).parent

MAX_POSITION: Final = 2**63 - 1
"""A position after every run."""


async def page(
    connection: asyncpg.Connection, tenant: str, fullname: str | None, offset: int, limit: int
) -> Page[ListingDocument]:
    """Read a page of a tenant's list, or of a flow's, newest first, and the list's length.

    ``offset`` and ``limit`` are 64-bit and not negative. A page after the end is empty.
    """
    if fullname is None:
        statement = load(_SQL, "page_of_tenant")
        return page_of(await connection.fetch(statement, tenant, offset, limit))
    statement = load(_SQL, "page_of_flow")
    return page_of(await connection.fetch(statement, tenant, fullname, offset, limit))


class VersionRange(NamedTuple):
    """Runs of a flow queued from a position up to the next range's; each has ``rows`` rows."""

    position: int
    rows: int


class RowPage(NamedTuple):
    """The runs that have rows in a page, and the number of rows of the whole list.

    The first ``skipped`` rows of the first run come before the page; rows of the last run may come
    after it. ``newest`` is the newest run of the list, None if it is empty.
    """

    rows: list[ListingDocument]
    skipped: int
    total: int
    newest: ListingDocument | None
    position: Position


async def row_page(
    connection: asyncpg.Connection,
    tenant: str,
    fullname: str,
    ranges: Sequence[VersionRange],
    *,
    offset: int,
    limit: int,
) -> RowPage:
    """Read a page of a flow's list in which a run has as many rows as its range says.

    The first range begins at position 0. ``offset`` and ``limit`` are rows; their sum is 64-bit.
    """
    bounds, rows = columns_of(ranges, 2)
    statement = load(_SQL, "row_page")
    records = await connection.fetch(statement, tenant, fullname, bounds, rows, offset, limit)
    first = records[0]
    newest = None if first["newest"] is None else orjson.loads(first["newest"])
    page = page_of(records)
    return RowPage(page.rows, first["skipped"] or 0, page.total, newest, page.position)


async def list_before(  # noqa: PLR0913 - each filter is one
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
) -> Rows[ListingDocument]:
    """List a tenant's runs queued before a position, newest first; a None does not filter.

    ``from_us`` (inclusive) and ``to_us`` (exclusive) bound the time of creation, in microseconds
    since 1970. The next page is before the ``queued_position`` of the last row.
    """
    statement = load(_SQL, choose_query(fullname, status, started_by))
    newest = MAX_POSITION if before is None else before
    records = await connection.fetch(
        statement, tenant, fullname, status, started_by, from_us, to_us, newest, limit
    )
    return rows_of(records)


async def newest(
    connection: asyncpg.Connection, tenant: str, fullnames: Sequence[str]
) -> Rows[ListingDocument]:
    """Read the newest run in the list of each of a tenant's flows; an empty list has none."""
    return rows_of(await connection.fetch(load(_SQL, "newest"), tenant, list(fullnames)))


async def newest_as_of(
    connection: asyncpg.Connection, tenant: str, fullnames: Sequence[str], position: int
) -> list[str]:
    """Read the ids of the runs that `newest` gave at a position, which must have been passed."""
    statement = load(_SQL, "newest_as_of")
    records = await connection.fetch(statement, tenant, list(fullnames), position)
    return [record["run_id"] for record in records]


class RunIdPage(NamedTuple):
    """The runs that a page of a list held at a position, and the list's length then."""

    run_ids: list[str]
    total: int


async def run_ids_as_of(
    connection: asyncpg.Connection,
    tenant: str,
    fullname: str | None,
    *,
    position: int,
    offset: int,
    limit: int,
    queued_by: int | None = None,
) -> RunIdPage:
    """Read the run ids of the page that `page` gave at a position.

    A flow's list can be cut to the runs queued up to ``queued_by``, at most the position. The read
    model must have passed the position. The cost grows with the runs that have left the tenant's
    list since.
    """
    if fullname is None:
        statement = load(_SQL, "run_ids_of_tenant_as_of")
        records = await connection.fetch(statement, tenant, position, offset, limit)
    else:
        statement = load(_SQL, "run_ids_of_flow_as_of")
        last = position if queued_by is None else queued_by
        records = await connection.fetch(statement, tenant, fullname, position, offset, limit, last)
    return RunIdPage([r["run_id"] for r in records if r["run_id"]], records[0]["total"])


async def list_before_as_of(  # noqa: PLR0913 - each filter is one
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
    """Read the ids of the runs that `list_before` gave at a position, which must have been passed.

    It has no filter by status, as a run's status then is not in the tables.
    """
    last = position + 1 if before is None else min(before, position + 1)
    listed, _ = await list_before(
        connection,
        tenant,
        fullname=fullname,
        started_by=started_by,
        from_us=from_us,
        to_us=to_us,
        before=last,
        limit=limit,
    )
    # The second of the two queries: a run that leaves in between is found twice, and not missed.
    left = await connection.fetch(
        load(_SQL, "left_since"),
        *(tenant, position, fullname, started_by, from_us, to_us, last, limit),
    )
    rows: list[Any] = [*listed, *left]
    found: dict[str, int] = {row["run_id"]: row["queued_position"] for row in rows}
    return sorted(found, key=found.__getitem__, reverse=True)[:limit]


class Expired(NamedTuple):
    """Runs that their flows' lists need not keep: tenant, id, number of runs the flow keeps."""

    runs: list[tuple[str, str, int]]
    position: Position


async def expired(
    connection: asyncpg.Connection, retention: Sequence[tuple[str, str, int]], limit: int
) -> Expired:
    """List ended runs that are not among the newest ones a flow's list keeps, oldest first.

    ``retention``: tenant, fullname, and the number of listed runs that the flow keeps.
    """
    tenants, fullnames, counts = columns_of(retention, 3)
    records = await connection.fetch(load(_SQL, "expired"), tenants, fullnames, counts, limit)
    runs = [(r["tenant"], r["run_id"], r["kept"]) for r in records if r["run_id"]]
    return Expired(runs, Position(records[0]["position"]))


def choose_query(fullname: str | None, status: str | None, started_by: str | None) -> str:
    """Choose the statement of `list_before` whose index follows the rarest filter."""
    if status not in (None, "succeeded"):
        return "list_before_by_status"
    if fullname is not None:
        return "list_before_by_flow"
    if started_by is not None:
        return "list_before_by_starter"
    return "list_before_by_status" if status else "list_before_by_tenant"
