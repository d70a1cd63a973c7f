"""The ledger's sequence of run numbers: blocks from it, and its advance after an import."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final
from uuid import uuid4

from events.codec import decode
from events.database import Connection, Pool, load, translate_errors
from events.errors import LogError, SequenceExhausted
from events.export.format import Record
from events.types import RUN_QUEUED
from events.upcasters import upcast

BLOCK_SIZE: Final = 100
"""Numbers in a block; the sequence steps by as many."""

_SQL: Final = Path(__file__).parents[1] / "sql"


class NumbersExhausted(LogError):
    """All run numbers below 2**31 are used: start a new ledger, this one stays readable."""


class NumberBlocks:
    """Takes blocks of the ledger's run numbers for one process, and keeps the latest on record.

    Each new connection of the process must find that record: a database without it is an older
    copy, which would give the same numbers to somebody else.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._process = str(uuid4())
        self._latest = 0
        pool.database.timeline.add_witness(self._find_missing)

    async def take(self, blocks: int) -> list[range]:
        """Take blocks of `BLOCK_SIZE` run numbers that nobody else has or will ever have.

        Raises:
            NumbersExhausted: the last block below 2**31 is taken.
            LogUnavailable: the database does not answer.
        """
        try:
            with translate_errors():
                rows = await self._pool.fetch(load(_SQL, "next_numbers"), blocks, self._process)
        except SequenceExhausted as error:
            raise NumbersExhausted from error
        self._latest = rows[-1][0]
        return [range(row[0], row[0] + BLOCK_SIZE) for row in rows]

    async def _find_missing(self, connection: Connection) -> str | None:
        latest = self._latest  # before the await: a later block may be recorded meanwhile
        if not latest:
            return None
        recorded = await connection.fetchval(load(_SQL, "recorded_block"), self._process)
        if recorded is not None and recorded >= latest:
            return None
        return f"this process has taken run numbers from {latest}, which are not taken there"


def statement_to_advance_past(number: int) -> str:
    """Write the statement by which an owner makes the next block begin after a run number.

    >>> statement_to_advance_past(100)
    "select setval('runs.run_number', 101, false)"
    """
    following = -(-number // BLOCK_SIZE) * BLOCK_SIZE + 1
    return f"select setval('runs.run_number', {following}, false)"


async def last_number(connection: Connection) -> int:
    """Read the greatest run number that any process may have taken; 0 before the first."""
    return await connection.fetchval(load(_SQL, "last_number")) or 0


async def advance_past(connection: Connection, number: int) -> None:
    """Make every later block begin after this run number.

    A rollback does not undo it, which costs numbers and nothing else.
    """
    await connection.execute(load(_SQL, "advance_numbers"), number)


class ImportedNumbers:
    """The run numbers of a log that is being imported: new ones must not repeat them.

    Its methods are the hooks of `events.export.importer.import_log`.
    """

    def __init__(self) -> None:
        self._greatest = 0

    def see(self, records: Iterable[Record]) -> None:
        """Note the greatest run number of some events."""
        self._greatest = max(self._greatest, *map(_run_number, records))

    async def advance(self, connection: Connection) -> None:
        """Advance the sequence past all run numbers seen, as the owner of the sequence."""
        if self._greatest:
            await advance_past(connection, self._greatest)


def _run_number(record: Record) -> int:
    if record.type != RUN_QUEUED:
        return 0
    _, data = upcast(record.type, record.schema_version, decode(record.body))
    number = data.get("run_number")
    # A log is imported as it is, also where another writer put something else there.
    return number if isinstance(number, int) and 0 < number < 2**31 else 0
