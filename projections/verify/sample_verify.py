"""Verifies a rebuilt version: against the serving version, and a sample against the log."""

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
from projections.flow_versions import FlowVersions
from projections.live.paused import skipped_events
from projections.projection import Version, fold_run
from projections.results import Record

SAMPLE_SIZE: Final = 100
"""Runs that are folded from the log one by one and compared with their rows."""

_SQL: Final = Path(__file__).parents[1] / "sql"


@dataclass(frozen=True, slots=True)
class SampleVerification:
    """Row counts by table, whether the checksums match, and the number of runs in the sample.

    ``matches`` is None where the versions may differ: by schema version, or by skipped events.
    """

    rows: dict[str, int]
    matches: bool | None
    sampled: int

    def as_result(self) -> dict[str, Any]:
        """Give the members of a rebuild's public result."""
        return {"rows": self.rows, "alike": self.matches, "sampled": self.sampled}


async def verify(
    connection: asyncpg.Connection,
    log: Log,
    serving: Version | None,
    version: Version,
    position: Position,
) -> SampleVerification:
    """Verify a version in a snapshot in which both versions are at a position.

    If the checksums differ, the serving version may be the wrong one. Then the sample also has runs
    in which the versions differ, and the log decides.

    Raises:
        RebuildFailed: a row of the version is not what the log says.
        LogError: the log cannot be read.
    """
    digests = await _digest(connection, version)
    matches: bool | None = None
    if (
        serving is not None
        and serving.projection.schema_version == version.projection.schema_version
    ):
        matches = await _digest(connection, serving) == digests
    differing_from = serving.schema if serving is not None and matches is False else None
    rows = [
        *(await _sample(connection, version, differing_from) if differing_from else []),
        *await _sample(connection, version, None),
    ]
    await _compare_with_log(log, version, rows, position)
    return SampleVerification({table: count for table, count, _ in digests}, matches, len(rows))


async def _digest(connection: asyncpg.Connection, version: Version) -> list[tuple[str, int, Any]]:
    return [tuple(row) for row in await connection.fetch(load(_SQL, "digest"), version.schema)]


async def _sample(
    connection: asyncpg.Connection, version: Version, differing_from: str | None
) -> Sequence[Record]:
    rows: Sequence[Record] = await connection.fetch(
        load(_SQL, "sample"), version.schema, version.name, differing_from, SAMPLE_SIZE
    )
    return rows


async def _compare_with_log(
    log: Log, version: Version, rows: Sequence[Record], position: Position
) -> None:
    skipped = await skipped_events(log, version.name, version.number)
    flows = FlowVersions(log)
    streams = await log.read_streams(
        [(row["tenant"], run_stream(row["run_id"])) for row in rows], up_to=position
    )
    for row in rows:
        stream = streams[row["tenant"], run_stream(row["run_id"])]
        events = [event for event in stream if event.position not in skipped]
        expected = await fold_run(version.projection, events, flows)
        if orjson.loads(orjson.dumps(expected)) != orjson.loads(row["document"]):
            raise RebuildFailed(
                f"the row of run {row['run_id']} of {row['tenant']!r} in {version.schema} is not"
                f" what the log says up to position {position}: this is a fault of the release"
            )
