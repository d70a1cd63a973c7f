"""An operator's hand on a paused read model: try again, or skip the event, which is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from events import codec
from events.bodies import EventSkipped
from events.database import Pool
from events.envelope import Appended, AppendRequest, Expected, NewEvent, Position, StreamAppend
from events.store import Log
from events.types import ADMINISTRATION_STREAM, EVENT_SKIPPED, EVERY_TENANT
from projections.live import paused
from projections.live.paused import skipped_events
from projections.registry import status
from service.errors import BadRequest, NotPaused, UnknownReadModel
from service.origin import Origin, metadata_of

MAX_REASON: Final = 500
SETTLED_S: Final = 5.0
"""How long it is watched what becomes of a read model that was told to go on."""

Row = Mapping[str, Any]
"""How far a version of a read model is, as `projections.registry.status` tells."""


@dataclass(frozen=True, slots=True)
class ResumeResult:
    """What a resumed read model did, and its status now.

    ``skipped_at`` is the position of the `EventSkipped`, if an event was skipped.
    """

    outcome: paused.ResumeOutcome
    row: Row
    skipped_at: Position | None = None


@dataclass(frozen=True, slots=True)
class Pauses:
    """The paused read models of a ledger."""

    pool: Pool
    log: Log

    async def find(self, name: str, version: int | None = None) -> Row:
        """Tell how far a version of a read model is; None is the one that answers.

        Raises:
            UnknownReadModel: there is none.
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
        """Have a paused read model try again, and see what becomes of it.

        Raises:
            UnknownReadModel: there is none.
            NotPaused: it is at work.
            LogUnavailable: the database does not answer.
        """
        row = await self.find(name, version)
        if row["state"] != "paused":
            raise NotPaused(f"{_shown(row)} is {row['state']}, at position {row['position']}")
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
        """Record that a read model passes by the event it is paused before, and have it go on.

        A version that is being built, which pauses nowhere, may skip what it has not reached. What
        is recorded already is not recorded again.

        Raises:
            UnknownReadModel: there is none.
            NotPaused: it does not stand before this event.
            BadRequest: the reason is missing or too long.
            LogError: the log does not take it.
        """
        check_reason(reason)
        row = await self.find(name, version)
        known = (await skipped_events(self.log, name, row["version"])).get(position)
        if known is None:
            _check_turn(row, position)
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
        # Under one key, so that of two who skip the same event at once one is recorded.
        key = f"skip/{row['name']}/{row['version']}/{position}"
        stream = StreamAppend(ADMINISTRATION_STREAM, Expected.ANY, (event,))
        request = AppendRequest(EVERY_TENANT, (stream,), key, key.encode())
        (answer,) = await self.log.append([request])
        if not isinstance(answer, Appended):
            raise answer
        return answer.first_position


def check_reason(reason: str) -> None:
    """Check why an event is skipped.

    Raises:
        BadRequest: it is missing or too long.
    """
    if not 0 < len(reason.strip()) <= MAX_REASON or not reason.isprintable():
        raise BadRequest(f"reason must be 1 to {MAX_REASON} printable characters", field="reason")


def _check_turn(row: Row, position: Position) -> None:
    paused = row["state"] == "paused"
    if paused and row["error_position"] == position:
        return
    if row["state"] == "building" and row["position"] < position <= row["head"]:
        return
    stands = f"paused at position {row['error_position']}" if paused else row["state"]
    raise NotPaused(f"{_shown(row)} is {stands}: it cannot skip position {position}")


def _shown(row: Row) -> str:
    return f"{row['name']} version {row['version']}"
