"""The last due time handled for each flow, so that a refused one is not tried again.

A plain table beside the log, as heartbeats are. It does not prevent double starts: the log does, by
the idempotency key of a scheduled start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from events.database import Pool, load, translate_errors

QUERY_TIMEOUT_S: Final = 10.0

FlowKey = tuple[str, str]
"""A flow, by its tenant and its fullname."""

_SQL: Final = Path(__file__).parent / "sql"


@dataclass(frozen=True, slots=True)
class LastFired:
    """A flow's last handled due time; ``reason`` says why its start was refused."""

    due_at: datetime
    outcome: Literal["started", "refused"]
    reason: str = ""


class LastFiredTable:
    """Reads and writes the last handled due times.

    Its methods raise `LogUnavailable` if the database does not answer.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, flows: Collection[FlowKey]) -> Mapping[FlowKey, LastFired]:
        """Read the last handled due times of flows; one that was never due is left out."""
        tenants, fullnames = [flow[0] for flow in flows], [flow[1] for flow in flows]
        with translate_errors():
            async with asyncio.timeout(QUERY_TIMEOUT_S):
                rows = await self._pool.fetch(load(_SQL, "read_last_fired"), tenants, fullnames)
        return {
            (row["tenant"], row["fullname"]): LastFired(
                row["due_at"], row["outcome"], row["reason"]
            )
            for row in rows
        }

    async def record(self, flow: FlowKey, fired: LastFired, now: datetime) -> None:
        """Record a handled due time; one before that on record changes nothing.

        One on record that is later than ``now`` is of a clock that was ahead: it is replaced.
        """
        values = (*flow, fired.due_at, fired.outcome, fired.reason, now)
        with translate_errors():
            async with asyncio.timeout(QUERY_TIMEOUT_S):
                await self._pool.execute(load(_SQL, "record_last_fired"), *values)
