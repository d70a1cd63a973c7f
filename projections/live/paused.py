"""Resumes paused read models, and reads which events an operator had skipped."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Final

from events.bodies import EventSkipped
from events.database import Pool, load, translate_errors
from events.envelope import Event, Position
from events.store import Log
from events.types import ADMINISTRATION_STREAM, EVENT_SKIPPED, EVERY_TENANT

POLL_S: Final = 0.05
"""Seconds between two checks whether a resumed read model has moved."""

NO_LIMIT: Final = 2**63 - 1

_SQL: Final = Path(__file__).parents[1] / "sql"


class ResumeOutcome(StrEnum):
    """What a resumed read model did."""

    RESUMED = "went_on"
    PAUSED_AGAIN = "paused_again"
    WAITING = "waits"
    """No process has applied anything yet."""


async def skipped_events(log: Log, name: str, version: int) -> dict[Position, Event]:
    """Read a version's `EventSkipped` events, by the position that each one skips.

    Raises:
        LogError: the log cannot be read.
    """
    skipped = {}
    for event in await log.read_stream_of_type(
        EVERY_TENANT, ADMINISTRATION_STREAM, EVENT_SKIPPED, limit=NO_LIMIT
    ):
        body: EventSkipped = event.data
        if (body["projection"], body["version"]) == (name, version):
            skipped[Position(body["position"])] = event
    return skipped


async def resume(pool: Pool, name: str, version: int, before: Position) -> bool:
    """Let a read model retry the event it is paused before; False if it is not paused there.

    Projectors check every `projections.live.projector.RECHECK_S` whether they may continue.

    Raises:
        LogUnavailable: the database does not answer.
    """
    with translate_errors():
        return bool(await pool.fetchval(load(_SQL, "resume"), name, version, before))


async def resume_outcome(
    pool: Pool, name: str, version: int, before: Position, *, within_s: float
) -> ResumeOutcome:
    """Wait until a resumed read model has passed the event, or is paused before it again.

    Raises:
        LogUnavailable: the database does not answer.
    """
    try:
        async with asyncio.timeout(within_s):
            while True:
                outcome = await _outcome_now(pool, name, version, before)
                if outcome is not ResumeOutcome.WAITING:
                    return outcome
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        return ResumeOutcome.WAITING


async def _outcome_now(pool: Pool, name: str, version: int, before: Position) -> ResumeOutcome:
    with translate_errors():
        row = await pool.fetchrow(load(_SQL, "read_checkpoints"), name, [version])
    if row is None or row["position"] >= before:
        return ResumeOutcome.RESUMED
    paused_again = row["error_position"] == before
    return ResumeOutcome.PAUSED_AGAIN if paused_again else ResumeOutcome.WAITING
