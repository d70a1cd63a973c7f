"""Whose turn it is: of many processes one does what all of them could."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from events.database import Pool, load, translate_errors

TURN_S: Final = 30.0
"""Seconds after which a turn is over whatever it was for."""

_SQL: Final = Path(__file__).parent / "sql"


@asynccontextmanager
async def turn(pool: Pool) -> AsyncIterator[bool]:
    """Take the turn for the block, or tell that another process has it.

    It spares work and guards nothing: it is the database's, so it goes with the process.

    Raises:
        LogUnavailable: the database does not answer, or the turn took too long.
    """
    with translate_errors():
        async with asyncio.timeout(TURN_S), pool.acquire() as held, held.transaction():
            yield bool(await held.fetchval(load(_SQL, "take_turn")))
