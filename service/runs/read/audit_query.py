"""The query of the audit trail: events newest first, by filters, each with the flow it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from events.batch import event_from_row
from events.database import Pool, load, translate_errors
from events.envelope import Event, Position

MAX_SCAN: Final = 20_000
"""Positions that one page looks through at most."""

_SQL: Final = Path(__file__).parents[1] / "sql"


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events to read; None does not filter. ``flow`` is the one that an event is about.

    A tenant's events include the administrative ones that name the tenant.
    """

    tenant: str | None = None
    actor: str | None = None
    types: Sequence[str] | None = None
    flow: str | None = None


async def read_audit_page(
    pool: Pool, after: Position, before: Position, limit: int, wanted: AuditFilter
) -> tuple[list[tuple[Event, str | None]], Position | None]:
    """Read backwards between two positions: events with their flow, and where to continue.

    A page looks through `MAX_SCAN` positions, so it may be empty while there is more to come. The
    next page begins before the second value; None means that there is none.

    Raises:
        LogUnavailable: the database does not answer.
    """
    floor = max(after, before - 1 - MAX_SCAN)
    filters = (wanted.tenant, wanted.actor, wanted.types, wanted.flow)
    with translate_errors():
        rows = await pool.fetch(load(_SQL, "audit_page"), floor, before, *filters, limit)
    found = [(event_from_row(row[:-1]), row[-1]) for row in rows]
    if len(found) == limit:
        floor = found[-1][0].position - 1
    return found, Position(floor + 1) if floor > after else None
