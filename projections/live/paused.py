"""Paused read models: how one that stands before an event goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, Literal

from events.database import Pool, load, translate
from events.envelope import Position

Outcome = Literal["went on", "paused again", "waits"]
"""What became of a retry: ``waits`` where nobody has applied anything so far."""

POLL_S: Final = 0.05
"""Seconds between two looks at a read model that was told to go on."""

_SQL: Final = Path(__file__).parents[1] / "sql"


async def resume(pool: Pool, name: str, version: int, before: Position) -> bool:
    """Have a read model try again the event that it is paused before; False: it is not, any more.

    Whoever applies it looks every `projections.live.projector.LOOK_S` whether it may go on.

    Raises:
        LogUnavailable: the database does not answer.
    """
    with translate():
        return bool(await pool.fetchval(load(_SQL, "resume"), name, version, before))


async def outcome(
    pool: Pool, name: str, version: int, before: Position, *, within_s: float
) -> Outcome:
    """Wait until a read model has passed that event, or is paused before it again.

    Raises:
        LogUnavailable: the database does not answer.
    """
    try:
        async with asyncio.timeout(within_s):
            while True:
                found = await _look(pool, name, version, before)
                if found != "waits":
                    return found
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        return "waits"


async def _look(pool: Pool, name: str, version: int, before: Position) -> Outcome:
    with translate():
        row = await pool.fetchrow(load(_SQL, "look"), name, version)
    if row is None or row["position"] >= before:
        return "went on"
    return "paused again" if row["error_position"] == before else "waits"
