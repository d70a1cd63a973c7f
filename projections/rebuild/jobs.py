"""The rebuilds of read models as they are entered in the database, and what is recorded of them."""

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
from events.database import Pool, load, translate
from events.envelope import Appended, AppendRequest, Expected, NewEvent, Position, StreamAppend
from events.store import Log
from events.types import ADMINISTRATION_STREAM, EVERY_TENANT, REBUILD_FINISHED, REBUILD_STARTED
from projections.errors import NoRebuildInProgress, NoSuchReadModel, RebuildRefused
from projections.projection import Projection
from projections.registry import standings

"""What a rebuild is for: to answer; or to have the version before answer, building nothing."""

LOCKS: Final = 1886547819
"""The class of the advisory locks that tell who is at a rebuild."""

OVER: Final = ("finished", "cancelled")

_SQL: Final = Path(__file__).parents[1] / "sql"


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A rebuild and how far it is: events ``folded`` of ``target``, at ``rate`` a second."""

    rebuild_id: str
    name: str
    purpose: RebuildPurpose
    from_version: int
    new_version: int
    shape: int
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
        """Whether it is neither finished nor cancelled; one that has failed is open."""
        return self.phase not in OVER

    @property
    def remaining_s(self) -> float | None:
        """How long folding will take at the rate of now; None where that is not known."""
        if self.phase != "folding" or not self.rate or self.target is None:
            return None
        return (self.target - self.folded) / self.rate


@dataclass(frozen=True, slots=True)
class Wish:
    """How a rebuild is asked for: in how many processes, events a second at most, by whom."""

    started_by: str
    source: str
    workers: int | None = None
    rate: int | None = None


async def find(connection: asyncpg.Connection | Pool, name: str) -> Rebuild | None:
    """Find the newest rebuild of a read model."""
    with translate():
        row = await connection.fetchrow(load(_SQL, "find_rebuild"), name)
    if row is None:
        return None
    result = row["result"]
    return Rebuild(**{**dict(row), "result": None if result is None else orjson.loads(result)})


async def enter(
    connection: asyncpg.Connection | Pool, projection: Projection, wish: Wish
) -> Rebuild:
    """Enter a rebuild, or have a failed one go on; whoever is told of it takes it up.

    Raises:
        NoSuchReadModel: there is none of this name.
        RebuildRefused: one is under way, or a newer shape answers than this release has.
        LogUnavailable: the database does not answer.
    """
    name = projection.name
    await _check_shape(connection, projection)
    before = await find(connection, name)
    if before is not None and before.phase == "failed":
        with translate():
            statement = load(_SQL, "reopen_rebuild")
            await connection.fetchval(statement, before.rebuild_id, wish.workers, wish.rate)
    elif before is not None and before.open:
        raise RebuildRefused(
            f"{name} is being rebuilt already, as version {before.new_version}, by"
            f" {before.started_by}: {before.phase}"
        )
    elif not await insert(connection, projection, wish):
        raise RebuildRefused(f"{name} is being rebuilt already")
    found = await find(connection, name)
    assert found is not None  # noqa: S101 - it was entered
    return found


async def insert(
    connection: asyncpg.Connection | Pool, projection: Projection, wish: Wish
) -> str | None:
    """Enter a rebuild; None if one is open."""
    with translate():
        rebuild_id: str | None = await connection.fetchval(
            load(_SQL, "want_rebuild"),
            projection.name,
            projection.shape,
            wish.workers,
            wish.rate,
            wish.started_by,
            wish.source,
        )
    return rebuild_id


async def _check_shape(connection: asyncpg.Connection | Pool, projection: Projection) -> None:
    rows = await standings(connection)
    row = rows.get(projection.name)
    if row is None:
        raise NoSuchReadModel(projection.name, sorted(rows))
    if row.shape > projection.shape:
        raise RebuildRefused(
            f"{projection.name} version {row.version} has shape {row.shape} and this release"
            f" makes shape {projection.shape}: that would go back; use a newer release"
        )


async def request_cancel(connection: asyncpg.Connection | Pool, name: str) -> None:
    """Ask for the rebuild of a read model to be dropped.

    Raises:
        NoRebuildInProgress: none is under way.
        LogUnavailable: the database does not answer.
    """
    with translate():
        found = await connection.fetchval(load(_SQL, "cancel_rebuild"), name)
    if found is None:
        raise NoRebuildInProgress(f"no rebuild of {name} is under way that could be cancelled")


async def waiting(pool: Pool) -> dict[str, int]:
    """Name the read models with a rebuild that may go on and nobody is at, each with its shape."""
    with translate():
        rows = await pool.fetch(load(_SQL, "open_rebuilds"), LOCKS)
    return {row["name"]: row["shape"] for row in rows}


async def take(connection: asyncpg.Connection, name: str) -> bool:
    """Take the turn at the rebuilds of a read model, for as long as the connection lives."""
    taken: bool = await connection.fetchval(load(_SQL, "take_rebuild"), LOCKS, name)
    return taken


async def record_start(log: Log, rebuild: Rebuild) -> None:
    """Record that a rebuild began; once, however often it is said."""
    body: RebuildStarted = {
        "rebuild_id": rebuild.rebuild_id,
        "projection": rebuild.name,
        "version": rebuild.new_version,
        "purpose": rebuild.purpose,
        "shape": rebuild.shape,
    }
    await _record(log, rebuild, REBUILD_STARTED, body)


async def record_end(log: Log, rebuild: Rebuild, outcome: RebuildOutcome) -> None:
    """Record what a rebuild came to; once, however often it is said."""
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
    stream = StreamAppend(ADMINISTRATION_STREAM, Expected.ANY, (event,))
    # One key for all who say so: the fingerprint is the key's, what was said first stands.
    (answer,) = await log.append([AppendRequest(EVERY_TENANT, (stream,), key, key.encode())])
    if not isinstance(answer, Appended):
        raise answer
