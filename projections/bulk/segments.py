"""Splits history into segments: ranges of positions of a bounded size, to be loaded in parallel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import asyncpg

from events import scan
from events.database import translate_errors
from events.envelope import Position
from projections.projection import Key, Projection, SharedCounters

MAX_EVENTS: Final = 20_000
MAX_BYTES: Final = 32 * 1024 * 1024
"""Size of a segment, in events and in bytes of their bodies; one bucket may be larger."""

BUCKET_SIZE: Final = 100
"""Positions that are measured, and kept, together."""

InitialCounts = tuple[tuple[str, str, str, int], ...]
"""Shared counters at the start of a segment: key (three columns) and count. JSON-serialisable."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The streams that begin after one position and up to another."""

    number: int
    after: Position
    up_to: Position
    initial_counts: InitialCounts = ()


async def split_history(
    connection: asyncpg.Connection,
    projection: Projection,
    target: Position,
    skipped: Collection[Position] = (),
) -> list[Segment]:
    """Split the log up to a target into segments, in the order of position; none if it is empty.

    Skipped events do not count in the initial counts.

    Raises:
        LogError: the log cannot be read.
    """
    with translate_errors():
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            sizes = await scan.size_histogram(connection, target, bucket=BUCKET_SIZE)
            ends = list(_segment_ends(sizes))
            counts: list[InitialCounts] = [()] * len(ends)
            if projection.counters is not None:
                counts = await _initial_counts(connection, projection.counters, ends, skipped)
    starts = [Position(0), *ends]
    return [
        Segment(number, after, up_to, initial)
        for number, (after, up_to, initial) in enumerate(zip(starts, ends, counts, strict=False), 1)
    ]


def _segment_ends(buckets: Sequence[tuple[Position, int]]) -> Iterator[Position]:
    start, last, size_bytes = 0, 0, 0
    for end, bucket_bytes in buckets:
        size_bytes += bucket_bytes
        if last > start and (end - start > MAX_EVENTS or size_bytes > MAX_BYTES):
            yield Position(last)
            start, size_bytes = last, bucket_bytes
        last = end
    if last > start:
        yield Position(last)


async def _initial_counts(
    connection: asyncpg.Connection,
    counters: SharedCounters,
    ends: Sequence[Position],
    skipped: Collection[Position],
) -> list[InitialCounts]:
    counts: Counter[Key] = Counter()
    starts = [Position(0), *ends]
    initial: list[InitialCounts] = []
    async with aclosing(scan.events_of_types(connection, counters.types, starts[-1])) as pages:
        async for page in pages:
            for event in page:
                while event.position > starts[len(initial)]:
                    initial.append(_as_rows(counts))
                if event.position not in skipped:
                    counts.update(counters.keys(event))
    return initial + [_as_rows(counts)] * (len(ends) - len(initial))


def _as_rows(counts: Counter[Key]) -> InitialCounts:
    return tuple((*key, count) for key, count in counts.items())
