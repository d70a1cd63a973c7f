"""Whether a rebuilt version is right: beside the one that answers, and against the log itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
import orjson

from events.database import load
from events.envelope import Position
from events.store import Log
from events.types import run_stream
from projections.errors import RebuildFailed
from projections.flow_versions import Flows
from projections.live.paused import skipped_events
from projections.projection import Version, fold_run
from projections.results import Record

SAMPLED: Final = 100
"""Runs that are folded from the log one by one and compared with their rows."""

_SQL: Final = Path(__file__).parents[1] / "sql"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found: rows of each table, whether both versions are alike, runs folded singly.

    ``alike`` is None where they need not be: another shape, or skipped events.
    """

    rows: dict[str, int]
    alike: bool | None
    sampled: int


async def verify(
    connection: asyncpg.Connection,
    log: Log,
    serving: Version | None,
    version: Version,
    position: Position,
) -> Verified:
    """Check a version in a snapshot in which it stands at a position.

    Where it is not alike with the version that answers, that one may have been wrong: the runs in
    which they differ are folded from the log, which decides.

    Raises:
        RebuildFailed: the version does not show a run as the log tells it.
        LogError: the log cannot be read.
    """
    digests = await _digest(connection, version)
    alike: bool | None = None
    if serving is not None and serving.projection.shape == version.projection.shape:
        alike = await _digest(connection, serving) == digests
    beside = serving.schema if serving is not None and alike is False else None
    rows = [
        *(await _sample(connection, version, beside) if beside else []),
        *await _sample(connection, version, None),
    ]
    await _check(log, version, rows, position)
    return Verified({table: count for table, count, _ in digests}, alike, len(rows))


async def _digest(connection: asyncpg.Connection, version: Version) -> list[tuple[str, int, Any]]:
    return [tuple(row) for row in await connection.fetch(load(_SQL, "digest"), version.schema)]


async def _sample(
    connection: asyncpg.Connection, version: Version, beside: str | None
) -> Sequence[Record]:
    rows: Sequence[Record] = await connection.fetch(
        load(_SQL, "sample"), version.schema, version.name, beside, SAMPLED
    )
    return rows


async def _check(log: Log, version: Version, rows: Sequence[Record], position: Position) -> None:
    skipped = await skipped_events(log, version.name, version.number)
    flows = Flows(log)
    streams = await log.read_streams(
        [(row["tenant"], run_stream(row["run_id"])) for row in rows], up_to=position
    )
    for row in rows:
        events = streams[row["tenant"], run_stream(row["run_id"])]
        told = [event for event in events if event.position not in skipped]
        shown = await fold_run(version.projection, told, flows)
        if orjson.loads(orjson.dumps(shown)) != orjson.loads(row["document"]):
            raise RebuildFailed(
                f"{version.schema} shows run {row['run_id']} of {row['tenant']!r} otherwise than"
                f" the log tells it up to position {position}: this is a fault of the release"
            )
