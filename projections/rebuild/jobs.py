"""Records rebuilds of read models in the database, and their start and end in the log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

import asyncpg
import orjson

from events import codec
from events.bodies import RebuildFinished, RebuildOutcome, RebuildPurpose, RebuildStarted
from events.database import Pool, load, translate_errors
from events.envelope import (
    AppendRequest,
    ExpectedVersion,
    NewEvent,
    Position,
    StreamAppend,
)
from events.store import Log
from events.types import ADMINISTRATION_STREAM, EVERY_TENANT, REBUILD_FINISHED, REBUILD_STARTED
from projections.errors import NoRebuildInProgress, NoSuchReadModel, RebuildRefused
from projections.projection import Projection
from projections.registry import READ_MODEL_LOCKS, read_registry

CLOSED_PHASES: Final = ("finished", "cancelled")

_SQL: Final = Path(__file__).parents[1] / "sql"


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A rebuild and its progress: events ``folded`` of ``target``, at ``rate`` per second.

    ``most_rate`` is the requested limit of the rate; ``stopped_in`` the phase of a failed one.
    """

    rebuild_id: str
    name: str
    purpose: RebuildPurpose
    from_version: int
    new_version: int
    schema_version: int
    phase: str
    stopped_in: str | None
    target: Position | None
    workers: int | None
    most_rate: int | None
    started_by: str
    source: str
    cancel_requested: bool
    error: str | None
    error_position: int | None
    result: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    folded: int
    rate: float | None

    @property
    def open(self) -> bool:
        """Whether it is neither finished nor cancelled; a failed one is open."""
        return self.phase not in CLOSED_PHASES

    @property
    def remaining_s(self) -> float | None:
        """How long folding will take at the current rate; None if unknown."""
        if self.phase != "folding" or not self.rate or self.target is None:
            return None
        return (self.target - self.folded) / self.rate


MAX_WORKERS: Final = 64
"""Processes that one rebuild may start."""


@dataclass(frozen=True, slots=True)
class RebuildOptions:
    """Who requests a rebuild, and its limits: worker processes, events per second."""

    started_by: str
    source: str
    workers: int | None = None
    rate: int | None = None


async def find(connection: asyncpg.Connection | Pool, name: str) -> Rebuild | None:
    """Read the newest rebuild of a read model; None if it was never rebuilt."""
    with translate_errors():
        row = await connection.fetchrow(load(_SQL, "find_rebuild"), name)
    if row is None:
        return None
    result = row["result"]
    return Rebuild(**{**dict(row), "result": None if result is None else orjson.loads(result)})


async def request_rebuild(
    connection: asyncpg.Connection | Pool, projection: Projection, options: RebuildOptions
) -> Rebuild:
    """Record a rebuild, or reopen a failed one; a process of role `project` carries it out.

    Raises:
        NoSuchReadModel: there is none of this name.
        RebuildRefused: one is in progress, or the serving schema version is newer than ours.
        LogUnavailable: the database does not answer.
    """
    name = projection.name
    await _check_schema_version(connection, projection)
    before = await find(connection, name)
    if before is not None and before.phase == "failed":
        with translate_errors():
            statement = load(_SQL, "reopen_rebuild")
            await connection.fetchval(statement, before.rebuild_id, options.workers, options.rate)
    elif before is not None and before.open:
        raise RebuildRefused(
            f"{name} is being rebuilt already, as version {before.new_version}, by"
            f" {before.started_by}: {before.phase}"
        )
    elif not await _insert(connection, projection, options):
        raise RebuildRefused(f"{name} is being rebuilt already")
    found = await find(connection, name)
    assert found is not None  # noqa: S101 - it was recorded
    return found


async def _insert(
    connection: asyncpg.Connection | Pool, projection: Projection, options: RebuildOptions
) -> str | None:
    """Record a rebuild; None if one is open."""
    with translate_errors():
        rebuild_id: str | None = await connection.fetchval(
            load(_SQL, "request_rebuild"),
            projection.name,
            projection.schema_version,
            options.workers,
            options.rate,
            options.started_by,
            options.source,
        )
    return rebuild_id


async def _check_schema_version(
    connection: asyncpg.Connection | Pool, projection: Projection
) -> None:
    rows = await read_registry(connection)
    row = rows.get(projection.name)
    if row is None:
        raise NoSuchReadModel(projection.name, sorted(rows))
    if row.schema_version > projection.schema_version:
        raise RebuildRefused(
            f"{projection.name} version {row.version} has schema version {row.schema_version},"
            f" newer than {projection.schema_version} of this release: use a newer release"
        )


async def request_cancel(connection: asyncpg.Connection | Pool, name: str) -> None:
    """Request the cancellation of the rebuild of a read model.

    Raises:
        NoRebuildInProgress: none is in progress.
        LogUnavailable: the database does not answer.
    """
    with translate_errors():
        found = await connection.fetchval(load(_SQL, "cancel_rebuild"), name)
    if found is None:
        raise NoRebuildInProgress(f"no rebuild of {name} is in progress that could be cancelled")


async def find_unattended(connection: asyncpg.Connection | Pool) -> dict[str, int]:
    """Find open rebuilds that no process works on: their schema versions by read model."""
    with translate_errors():
        rows = await connection.fetch(load(_SQL, "unattended_rebuilds"), READ_MODEL_LOCKS)
    return {row["name"]: row["schema_version"] for row in rows}


async def try_lock(connection: asyncpg.Connection, name: str) -> bool:
    """Lock the rebuilds of a read model for as long as the connection lives; False if locked."""
    statement = load(_SQL, "try_lock_rebuild")
    locked: bool = await connection.fetchval(statement, READ_MODEL_LOCKS, name)
    return locked


async def record_start(log: Log, rebuild: Rebuild) -> None:
    """Append `RebuildStarted`; once, however often it is called."""
    body: RebuildStarted = {
        "rebuild_id": rebuild.rebuild_id,
        "projection": rebuild.name,
        "version": rebuild.new_version,
        "purpose": rebuild.purpose,
        "shape": rebuild.schema_version,
    }
    await _record(log, rebuild, REBUILD_STARTED, body)


async def record_end(log: Log, rebuild: Rebuild, outcome: RebuildOutcome) -> None:
    """Append `RebuildFinished` with its outcome; once, however often it is called."""
    body: RebuildFinished = {
        "rebuild_id": rebuild.rebuild_id,
        "projection": rebuild.name,
        "version": rebuild.new_version,
        "purpose": rebuild.purpose,
        "outcome": outcome,
        "previous": None if outcome == "cancelled" else rebuild.from_version,
        "position": (rebuild.result or {}).get("position"),
    }
    await _record(log, rebuild, REBUILD_FINISHED, body)


async def _record(
    log: Log, rebuild: Rebuild, kind: str, body: RebuildStarted | RebuildFinished
) -> None:
    key = f"rebuild/{rebuild.rebuild_id}/{kind}"
    event = NewEvent(
        event_id=str(uuid5(NAMESPACE_OID, key)),
        type=kind,
        body=codec.encode_body(body),
        actor=rebuild.started_by,
        metadata=codec.encode({"source": rebuild.source}),
    )
    stream = StreamAppend(ADMINISTRATION_STREAM, ExpectedVersion.ANY, (event,))
    # The fingerprint is made of the key alone, so that the first event recorded stands.
    await log.append_one(AppendRequest(EVERY_TENANT, (stream,), key, key.encode()))
