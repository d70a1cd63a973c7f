"""Examines the log: its ends, partitions, protection, samples of its events, and its growth."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from events import diagnosis
from events.database import Connection, load
from projections.registry import status
from service.doctor.findings import Finding
from service.doctor.server import size

SAMPLES: Final = 200
"""Events at random positions whose leaf hashes are computed anew."""

RANGES: Final = 10
RANGE_SIZE: Final = 1000
"""Ranges of positions, and the positions of each, in which every event is looked for."""

MAX_BEHIND_S: Final = 1.0
"""Seconds by which the database's clock may be behind the last event."""

GROWTH_DAYS: Final = 7
"""Days over which the growth of the log is measured."""

MIN_DAYS_LEFT: Final = 14
"""Days for which the disk must suffice without a warning."""

EMPTY_BYTES: Final = 8 * 1024**2
"""What an empty ledger takes, which does not grow."""

LARGE_GROWTH: Final = 10 * 1024**3
"""Bytes a day that are worth a warning where the free space is not known."""

_SQL: Final = Path(__file__).parent / "sql"
_RESTORE: Final = (
    "stop all processes, keep a copy of the database as it is, and restore the last backup that"
    " passes `flowledger doctor`"
)


async def examine_ends(connection: Connection) -> list[Finding]:
    """Examine whether the events end where the counter row says, and the clock behind the last."""
    return list(judge_ends(await diagnosis.read_ends(connection)))


def judge_ends(ends: diagnosis.LogEnds) -> Iterator[Finding]:
    """Judge where the log begins and ends."""
    first, last = ends.first_position, ends.last_position
    if (last or 0) != ends.head:
        text = f"the last event is at position {last}, but the counter row says {ends.head}"
        yield Finding("log", "error", text, _RESTORE)
    elif first not in (None, 1):
        text = f"the first event is at position {first}: a partition was detached or dropped"
        yield Finding("log", "error", text, "attach it again; history is never detached")
    else:
        yield Finding("log", "ok", f"it has positions 1 to {ends.head}" if first else "it is empty")
    if ends.ahead_of_clock_s > MAX_BEHIND_S:
        text = f"the database's clock is behind the last event by {ends.ahead_of_clock_s:.0f} s"
        cure = "correct the clock if it is wrong; if it was set back rightly, wait: order is kept"
        yield Finding("clock", "warning", text, cure)


async def examine_partitions(connection: Connection) -> list[Finding]:
    """Examine whether there is a partition for each event, and one ahead."""
    head = (await diagnosis.read_ends(connection)).head
    return [judge_partitions(await diagnosis.read_partitions(connection), head)]


def judge_partitions(bounds: Sequence[tuple[int, int]], head: int) -> Finding:
    """Judge the bounds of all partitions, in order.

    >>> judge_partitions([(1, 10), (10, 20), (20, 30)], head=11).text
    'they reach to position 29'
    >>> judge_partitions([(1, 10), (20, 30)], head=11).text
    'there is no partition for position 10'
    """
    make = f"as the owner of the log: {diagnosis.MAKE_PARTITIONS}"
    following = 1
    for begin, end in bounds:
        if begin != following:
            break
        following = end
    if following <= head:
        text = f"there is no partition for position {following}"
        return Finding("partitions", "error", text, "attach it again; history is never detached")
    if following == head + 1:
        return Finding("partitions", "error", "there is none for the next event", make)
    if not any(begin > head for begin, end in bounds if end <= following):
        text = f"none is ahead: the last one ends before position {following}"
        return Finding("partitions", "warning", text, make)
    return Finding("partitions", "ok", f"they reach to position {following - 1}")


async def examine_protection(connection: Connection) -> list[Finding]:
    """Examine whether triggers refuse a change of the log's tables."""
    names = await diagnosis.find_unprotected(connection)
    if not names:
        return [Finding("protection", "ok", "triggers refuse a change of the log")]
    text = f"the trigger that refuses a change is missing or disabled on {', '.join(names)}"
    cure = "as the owner: alter table {0} enable trigger all; then check the log with an export"
    return [Finding("protection", "error", text, cure.format(names[0]))]


async def examine_events(connection: Connection) -> list[Finding]:
    """Examine the first and last event, those before which a read model stands, and random ones."""
    head = (await diagnosis.read_ends(connection)).head
    following = {row["position"] + 1 for row in await status(connection)}
    chosen = {1, head, *following, *_some(range(1, head + 1), SAMPLES)}
    positions = sorted(position for position in chosen if 0 < position <= head)
    found = await diagnosis.check_samples(connection, positions)
    starts = _starts(head)
    gaps = await diagnosis.find_gaps(connection, starts, RANGE_SIZE) if starts else []
    return list(judge_events(found, gaps, len(positions)))


def judge_events(
    found: diagnosis.SampleResult, gaps: Sequence[int], checked: int
) -> Iterator[Finding]:
    """Judge the samples, and the ranges that lack an event, by the positions before them."""
    if found.missing:
        text = f"there is no event at position {_named(found.missing)}"
        yield Finding("events", "error", text, _RESTORE)
    if gaps:
        text = f"events are missing within {RANGE_SIZE} positions after {_named(gaps)}"
        yield Finding("events", "error", text, _RESTORE)
    if found.changed:
        text = f"the event at position {_named(found.changed)} does not match its leaf hash"
        cure = "somebody or something has changed it: see docs/reference/leaf.md, then " + _RESTORE
        yield Finding("events", "error", text, cure)
    if found.unreadable:
        text = f"the event at position {_named(found.unreadable)} cannot be decoded"
        cure = "readers stop before it: report what wrote it, and restore a backup from before it"
        yield Finding("events", "error", text, cure)
    if not (found.missing or gaps or found.changed or found.unreadable):
        yield Finding("events", "ok", f"{checked} of them match their leaf hashes")


def _named(positions: Sequence[int]) -> str:
    return ", ".join(map(str, positions[:5])) + (" ..." if len(positions) > 5 else "")  # noqa: PLR2004


def _starts(head: int) -> list[int]:
    last = head - RANGE_SIZE
    if last < 0:
        return []
    return sorted({0, last, *_some(range(last + 1), RANGES)})


def _some(positions: range, most: int) -> Sequence[int]:
    """Choose positions at random; all of them where there are few."""
    return random.sample(positions, most) if len(positions) > most else positions


async def examine_growth(connection: Connection, data_folder: Path | None) -> list[Finding]:
    """Compare the growth of the last days with the free space, where that can be known."""
    size_bytes = await connection.fetchval(load(_SQL, "size"))
    head = (await diagnosis.read_ends(connection)).head
    now = datetime.now(UTC)
    born = await diagnosis.read_first_time(connection) or now
    days = min(GROWTH_DAYS, max((now - born) / timedelta(days=1), 1.0))
    events = await diagnosis.count_events_since(connection, now - timedelta(days=days))
    # Read models and indexes grow with the events: the whole database is counted.
    growth = events / days * max(size_bytes - EMPTY_BYTES, 0) / max(head, 1)
    free = shutil.disk_usage(data_folder).free if data_folder else None
    return [judge_growth(size_bytes, growth, free)]


def judge_growth(size_bytes: float, growth: float, free: int | None) -> Finding:
    """Judge a growth in bytes a day, and the free bytes of the database's disk; None: not known.

    >>> judge_growth(2**30, growth=2**30, free=3 * 2**30).level
    'warning'
    >>> judge_growth(2**30, growth=2**20, free=None).level
    'ok'
    """
    text = f"the database has {size(size_bytes)} and grows by {size(growth)} a day"
    cure = "give the disk more room; history is never detached or dropped"
    if free is None:
        where = "; the free space of its server is not known here"
        if growth <= LARGE_GROWTH:
            return Finding("disk", "ok", text + where)
        see = f"see that its disk has room for {size(growth * MIN_DAYS_LEFT)}: {cure}"
        return Finding("disk", "warning", text + where, see)
    text += f"; {size(free)} are free"
    if growth and free / growth < MIN_DAYS_LEFT:
        return Finding("disk", "warning", f"{text}: enough for {free / growth:.0f} days", cure)
    return Finding("disk", "ok", text)
