"""Reads what shows whether a log is sound: its ends, partitions, triggers, samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from events.batch import event_from_row
from events.codec import decode
from events.database import Connection, load
from events.errors import UnreadableEvent
from events.leaf import leaf_1
from events.upcasters import upcast

MAKE_PARTITIONS: Final = "select log.ensure_partitions()"
"""The statement by which an owner makes the partitions that are missing."""

_SQL: Final = Path(__file__).parent / "sql"
_COLUMNS: Final = 16
"""Columns of an event, in the order of `Event`'s fields."""


@dataclass(frozen=True, slots=True)
class LogEnds:
    """Where the counter row says that the log ends, and where its events begin and end.

    ``ahead_of_clock_s`` is by how much the last event is later than the database's clock, below 0
    where it is earlier.
    """

    head: int
    recorded_at: datetime
    first_position: int | None
    last_position: int | None
    ahead_of_clock_s: float


@dataclass(frozen=True, slots=True)
class SampleResult:
    """Sampled positions whose event is missing, altered or unreadable."""

    missing: Sequence[int]
    """No event is there."""
    changed: Sequence[int]
    """The event does not match its leaf hash, computed here or by the database."""
    unreadable: Sequence[int]
    """The event cannot be decoded: whoever follows the log stops before it."""


async def read_ends(connection: Connection) -> LogEnds:
    """Read where the log begins and ends."""
    (row,) = await connection.fetch(load(_SQL, "diagnose_ends"))
    return LogEnds(**dict(row))


async def read_partitions(connection: Connection) -> list[tuple[int, int]]:
    """Read the first position of each partition, and the one after its last."""
    rows = await connection.fetch(load(_SQL, "diagnose_partitions"))
    return [(row["from_position"], row["before_position"]) for row in rows]


async def find_unprotected(connection: Connection) -> list[str]:
    """Find the tables of the log that would accept a change or a removal of rows."""
    return [row["name"] for row in await connection.fetch(load(_SQL, "diagnose_unprotected"))]


async def check_samples(connection: Connection, positions: Sequence[int]) -> SampleResult:
    """Check the events at some positions: present, as they were hashed, and readable."""
    missing, changed, unreadable = [], [], []
    for row in await connection.fetch(load(_SQL, "diagnose_samples"), list(positions)):
        if row["position"] is None:
            missing.append(row["wanted"])
            continue
        if not row["leaf_hash"] == row["computed"] == _leaf(row):
            changed.append(row["position"])
        try:
            event_from_row(tuple(row)[1 : 1 + _COLUMNS])
        except UnreadableEvent:
            unreadable.append(row["position"])
    return SampleResult(missing, changed, unreadable)


def _leaf(row: Any) -> bytes:  # noqa: ANN401 - the driver's
    numbers = (
        row["position"],
        row["version"],
        row["recorded_us"],
        row["occurred_us"],
        row["schema_version"],
    )
    texts = (
        row["tenant"],
        row["stream"],
        row["event_id"],
        row["type"],
        row["actor"],
        row["correlation_id"],
        row["causation_id"],
        row["idempotency_key"],
    )
    return leaf_1(numbers, texts, row["metadata"], row["body"])


async def find_gaps(connection: Connection, after: Sequence[int], size: int) -> list[int]:
    """Find the ranges of ``size`` positions that lack an event: after which each begins."""
    rows = await connection.fetch(load(_SQL, "diagnose_gaps"), list(after), size)
    return [row["after"] for row in rows]


async def read_first_time(connection: Connection) -> datetime | None:
    """Read when the first event was recorded; None if there is none."""
    at: datetime | None = await connection.fetchval(load(_SQL, "recorded_at"), 1)
    return at


async def count_events_since(connection: Connection, moment: datetime) -> int:
    """Count the events that were recorded after a moment."""
    (row,) = await connection.fetch(load(_SQL, "position_at"), moment)
    return int(row["head"] - row["position"])


async def read_newest(connection: Connection, type_: str, positions: int) -> list[Any]:
    """Read the bodies of the newest events of a type, of the last so many positions."""
    rows = await connection.fetch(load(_SQL, "diagnose_newest"), type_, positions)
    return [upcast(type_, row["schema_version"], decode(row["body"]))[1] for row in rows]
