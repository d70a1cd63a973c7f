"""Resumes paused read models: retries an event, or skips it on record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from events import codec
from events.bodies import EventSkipped
from events.database import Pool
from events.envelope import (
    AppendRequest,
    ExpectedVersion,
    NewEvent,
    Position,
    StreamAppend,
)
from events.store import Log
from events.types import ADMINISTRATION_STREAM, EVENT_SKIPPED, EVERY_TENANT
from projections.live import paused
from projections.live.paused import skipped_events
from projections.registry import status
from service.access import Origin, metadata_of
from service.errors import BadRequest, NotPaused, PositionAhead, UnknownReadModel

MAX_REASON: Final = 500
SETTLED_S: Final = 5.0
"""How long a resumed read model is watched for its outcome."""

Row = Mapping[str, Any]
"""The status of a version of a read model, from `projections.registry.status`."""


@dataclass(frozen=True, slots=True)
class ResumeResult:
    """What a resumed read model did, and its status now.

    ``skipped_at`` is the position of the `EventSkipped`, if an event was skipped.
    """

    outcome: paused.ResumeOutcome
    row: Row
    skipped_at: Position | None = None


@dataclass(frozen=True, slots=True)
class PausedReadModels:
    """The paused read models of a ledger."""

    pool: Pool
    log: Log

    async def find(self, name: str, version: int | None = None) -> Row:
        """Return the status of a version; of the one that serves where ``version`` is None.

        Raises:
            UnknownReadModel: there is no such version.
            LogUnavailable: the database does not answer.
        """
        rows = await status(self.pool)
        for row in rows:
            if row["name"] == name and (
                row["serving"] if version is None else row["version"] == version
            ):
                return row
        raise UnknownReadModel(name, version, sorted({row["name"] for row in rows}))

    async def retry(self, name: str, version: int | None = None) -> ResumeResult:
        """Retry the event at which a read model is paused, and wait for the outcome.

        Raises:
            UnknownReadModel: there is no such version.
            NotPaused: it is not paused.
            LogUnavailable: the database does not answer.
        """
        row = await self.find(name, version)
        if row["state"] != "paused":
            raise NotPaused(f"{_title(row)} is {row['state']}, at position {row['position']}")
        return await self._resume(row, row["error_position"])

    async def skip(
        self,
        name: str,
        version: int | None,
        position: Position,
        *,
        reason: str,
        origin: Origin,
    ) -> ResumeResult:
        """Record that a version skips the event at ``position``, and resume it.

        A version that is being built never pauses, so it may skip any event ahead of it. Skipping
        the same event again records nothing new.

        Raises:
            UnknownReadModel: there is no such version.
            NotPaused: it is not paused at this event.
            PositionAhead: the position is beyond the end of the log.
            BadRequest: the reason is missing or too long.
            LogError: the log cannot be read, or refuses the record.
        """
        check_reason(reason)
        row = await self.find(name, version)
        known = (await skipped_events(self.log, name, row["version"])).get(position)
        if known is None:
            if position > row["head"]:
                raise PositionAhead("position", position, row["head"])
            _check_position(row, position)
        skipped_at = known.position if known else await self._record(row, position, reason, origin)
        if row["state"] == "building":
            return ResumeResult(paused.ResumeOutcome.WAITING, row, skipped_at)
        return await self._resume(row, position, skipped_at)

    async def _resume(
        self, row: Row, before: Position, skipped_at: Position | None = None
    ) -> ResumeResult:
        name, version = row["name"], row["version"]
        await paused.resume(self.pool, name, version, before)
        outcome = await paused.resume_outcome(self.pool, name, version, before, within_s=SETTLED_S)
        return ResumeResult(outcome, await self.find(name, version), skipped_at)

    async def _record(self, row: Row, position: Position, reason: str, origin: Origin) -> Position:
        body: EventSkipped = {
            "projection": row["name"],
            "version": row["version"],
            "position": position,
            "reason": reason,
        }
        event = NewEvent(
            event_id=str(uuid4()),
            type=EVENT_SKIPPED,
            body=codec.encode_body(body),
            actor=origin.actor,
            metadata=codec.encode(metadata_of(origin)),
        )
        # One idempotency key: two operators who skip the same event at once record it once.
        key = f"skip/{row['name']}/{row['version']}/{position}"
        stream = StreamAppend(ADMINISTRATION_STREAM, ExpectedVersion.ANY, (event,))
        request = AppendRequest(EVERY_TENANT, (stream,), key, key.encode())
        return (await self.log.append_one(request)).first_position


def check_reason(reason: str) -> None:
    """Check the reason for a skip.

    Raises:
        BadRequest: it is missing or too long.
    """
    if not 0 < len(reason.strip()) <= MAX_REASON or not reason.isprintable():
        raise BadRequest(f"reason must be 1 to {MAX_REASON} printable characters", field="reason")


def _check_position(row: Row, position: Position) -> None:
    is_paused = row["state"] == "paused"
    if is_paused and row["error_position"] == position:
        return
    if row["state"] == "building" and row["position"] < position <= row["head"]:
        return
    state = f"paused at position {row['error_position']}" if is_paused else row["state"]
    raise NotPaused(f"{_title(row)} is {state}, so it cannot skip position {position}")


def _title(row: Row) -> str:
    return f"{row['name']} version {row['version']}"
