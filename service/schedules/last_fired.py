"""How far each schedule has been carried out: what says that a refused due time is over.

A plain table, beside the log as heartbeats are. That a due time starts at most one run is not its
affair: the log holds that, by the key of the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from events.database import Pool, load, translate_errors

ANSWER_S: Final = 10.0
"""Seconds that the table may take."""

Key = tuple[str, str]
"""A flow, by its tenant and its fullname."""

Answered = Literal["started", "refused"]

_SQL: Final = Path(__file__).parent / "sql"


@dataclass(frozen=True, slots=True)
class Mark:
    """A flow's last due time that was answered; ``reason`` says why a start was refused."""

    due_at: datetime
    outcome: Answered
    reason: str = ""


class Marks:
    """The marks of all flows. Raises `LogUnavailable` where the database does not answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def of(self, flows: Collection[Key]) -> Mapping[Key, Mark]:
        """Read the marks of flows; one that was never due has none."""
        tenants, fullnames = [key[0] for key in flows], [key[1] for key in flows]
        with translate_errors():
            async with asyncio.timeout(ANSWER_S):
                rows = await self._pool.fetch(load(_SQL, "marks_of"), tenants, fullnames)
        return {
            (row["tenant"], row["fullname"]): Mark(row["due_at"], row["outcome"], row["reason"])
            for row in rows
        }

    async def make(self, flow: Key, mark: Mark) -> None:
        """Mark a due time as answered; an earlier one than the mark changes nothing."""
        values = (*flow, mark.due_at, mark.outcome, mark.reason)
        with translate_errors():
            async with asyncio.timeout(ANSWER_S):
                await self._pool.execute(load(_SQL, "mark"), *values)
