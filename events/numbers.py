"""Blocks of run numbers from the database's sequence."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import asyncpg

from events.database import load, translate
from events.errors import LogError

BLOCK: Final = 100
"""Numbers in a block; the sequence steps by as many."""

_SQL: Final = Path(__file__).parent / "sql"


class NumbersExhausted(LogError):
    """All run numbers below 2**31 are used: start a new ledger, this one stays readable."""


async def next_blocks(pool: asyncpg.Pool, blocks: int) -> list[range]:
    """Take blocks of `BLOCK` run numbers that nobody else has or will ever have.

    Raises:
        NumbersExhausted: the last block below 2**31 is taken.
        LogUnavailable: the database does not answer.
    """
    with translate():
        try:
            rows = await pool.fetch(load(_SQL, "next_numbers"), blocks)
        except asyncpg.SequenceGeneratorLimitExceededError as error:
            raise NumbersExhausted from error
    return [range(row[0], row[0] + BLOCK) for row in rows]


async def move_beyond(connection: asyncpg.Connection, number: int) -> None:
    """See that all numbers taken from now on are greater than this one, a run number.

    No transaction takes it back, which costs numbers and nothing else.
    """
    await connection.execute(load(_SQL, "move_numbers"), number)
