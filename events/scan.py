"""Reads large parts of the log through one connection, one page in memory at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg

from events.batch import event_from_row
from events.database import load
from events.envelope import Event, Position, Version
from events.errors import MissingPositions

PAGE: Final = 2_000
"""Events in memory at once."""

_SQL: Final = Path(__file__).parent / "sql"

StreamKey = tuple[str, str]
"""Tenant and name of a stream."""


async def size_histogram(
    connection: asyncpg.Connection, up_to: Position, *, bucket: int
) -> list[tuple[Position, int]]:
    """Read the bytes of bodies per ``bucket`` positions, each with its last position.

    Buckets follow each other from position 1; the last one ends at ``up_to``.
    """
    rows = await connection.fetch(load(_SQL, "size_histogram"), up_to, bucket)
    return [(Position(row["last"]), row["size_bytes"]) for row in rows]


async def events_of_types(
    connection: asyncpg.Connection, types: Collection[str], up_to: Position
) -> AsyncGenerator[Sequence[Event], None]:
    """Read all events of some types up to a position; within a transaction."""
    async for page in _pages(connection, "events_of_types", list(types), up_to):
        yield [event_from_row(row) for row in page]


async def range_rows(
    connection: asyncpg.Connection, after: Position, up_to: Position
) -> AsyncGenerator[Sequence[Any], None]:
    """Read a range of positions as rows for `event_from_row`; within a transaction.

    Rows, not events, so that a caller that needs few of them decodes few.

    Raises:
        MissingPositions: the log has a hole, which is an alarm.
    """
    last = after
    async for page in _pages(connection, "read_range", after, up_to):
        for expected, row in enumerate(page, last + 1):
            if row["position"] != expected:
                raise MissingPositions(Position(expected), row["position"])
        last = page[-1]["position"]
        yield page
    if last < up_to:
        raise MissingPositions(Position(last + 1), up_to)


async def continuations(
    connection: asyncpg.Connection,
    streams: Mapping[StreamKey, Version],
    types: Collection[str],
    *,
    after: Position,
    up_to: Position,
) -> AsyncGenerator[Sequence[Event], None]:
    """Read the later events of many streams, each after a known version, by position.

    The caller knows all events up to position ``after``. Within a transaction.
    """
    tenants, names = [key[0] for key in streams], [key[1] for key in streams]
    parameters = (tenants, names, list(streams.values()), after, up_to, list(types))
    async for page in _pages(connection, "continuations", *parameters):
        yield [event_from_row(row) for row in page]


async def _pages(
    connection: asyncpg.Connection, name: str, *parameters: object
) -> AsyncGenerator[list[Any], None]:
    cursor = await connection.cursor(load(_SQL, name), *parameters)
    while page := await cursor.fetch(PAGE):
        yield page
