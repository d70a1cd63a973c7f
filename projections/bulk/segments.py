"""Cuts history into the parts that a rebuild folds: ranges of positions, each of a bounded size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import asyncpg

from events import scan
from events.database import translate
from events.envelope import Position
from projections.projection import Counted, Key, Projection

MOST_EVENTS: Final = 20_000
MOST_BYTES: Final = 32 * 1024 * 1024
"""What a part holds at most, in events and in bytes of their bodies; or it is one bucket."""

BUCKET: Final = 100
"""Positions that are not cut apart."""

Begun = tuple[tuple[str, str, str, int], ...]
"""The counted states that a part begins with, each as its key and its count; JSON takes it."""


@dataclass(frozen=True, slots=True)
class Part:
    """The streams that begin after one position and up to another, and what is counted by then."""

    number: int
    after: Position
    up_to: Position
    begun: Begun = ()


async def parts_of(
    connection: asyncpg.Connection,
    projection: Projection,
    target: Position,
    skipped: Collection[Position] = (),
) -> list[Part]:
    """Cut the log up to a target into parts, in the order of position; none of an empty log.

    What is skipped is not counted.

    Raises:
        LogError: the log cannot be read.
    """
    with translate():
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            ends = list(_ends(await scan.sizes(connection, target, bucket=BUCKET)))
            begun: list[Begun] = [()] * len(ends)
            if projection.counted is not None:
                begun = await _count(connection, projection.counted, ends, skipped)
    begins = [Position(0), *ends]
    return [
        Part(number, after, up_to, counts)
        for number, (after, up_to, counts) in enumerate(zip(begins, ends, begun, strict=False), 1)
    ]


def _ends(buckets: Sequence[tuple[Position, int]]) -> Iterator[Position]:
    begin, last, size_bytes = 0, 0, 0
    for end, bucket_bytes in buckets:
        size_bytes += bucket_bytes
        if last > begin and (end - begin > MOST_EVENTS or size_bytes > MOST_BYTES):
            yield Position(last)
            begin, size_bytes = last, bucket_bytes
        last = end
    if last > begin:
        yield Position(last)


async def _count(
    connection: asyncpg.Connection,
    counted: Counted,
    ends: Sequence[Position],
    skipped: Collection[Position],
) -> list[Begun]:
    counts: Counter[Key] = Counter()
    begins = [Position(0), *ends]
    begun: list[Begun] = []
    async with aclosing(scan.of_types(connection, counted.types, begins[-1])) as pages:
        async for page in pages:
            for event in page:
                while event.position > begins[len(begun)]:
                    begun.append(_begun(counts))
                if event.position not in skipped:
                    counts.update(counted.keys(event))
    return begun + [_begun(counts)] * (len(ends) - len(begun))


def _begun(counts: Counter[Key]) -> Begun:
    return tuple((*key, count) for key, count in counts.items())
