"""Heartbeats: which workers are alive, by the database's clock."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg

from events.database import load, translate

_SQL: Final = Path(__file__).parent / "sql"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a worker beats, and what its silence means; the same for all workers.

    A worker that could not beat for ``mute_s`` stops its tasks; ``silence_s`` after its last
    heartbeat the others take over. What lies between is its time to stop.
    """

    beat_s: float = 2.0
    mute_s: float = 10.0
    silence_s: float = 15.0


class Workers:
    """The table of heartbeats, seen from one worker."""

    def __init__(self, pool: asyncpg.Pool, worker: str, *, slots: int, pace: Pace = Pace()) -> None:
        self.pace = pace
        self._pool = pool
        self._worker = worker
        self._slots = slots
        self._heard = -math.inf
        self._left = False
        self._one_at_a_time = asyncio.Lock()

    @property
    def mute(self) -> bool:
        """Tell whether this worker could not beat for so long that it must stop its tasks."""
        return asyncio.get_running_loop().time() - self._heard > self.pace.mute_s

    async def beat(self) -> None:
        """Write one heartbeat, unless this worker has left. Raises `LogUnavailable`."""
        async with self._one_at_a_time:
            if self._left:
                return
            before = asyncio.get_running_loop().time()
            await self._execute("beat", self._worker, self._slots)
            # From when it was sent: the others count from when it was written, which is later.
            self._heard = before

    async def silent(self, workers: Collection[str]) -> set[str]:
        """Name which of these workers are silent, or gone. Raises `LogUnavailable`."""
        if not workers:
            return set()
        silence = timedelta(seconds=self.pace.silence_s)
        with translate():
            rows = await self._pool.fetch(load(_SQL, "silent"), list(workers), silence)
        return {str(row["worker"]) for row in rows}

    async def leave(self) -> None:
        """Take this worker off the table, so that others take over at once.

        Raises:
            LogUnavailable: then they wait out the silence.
        """
        async with self._one_at_a_time:
            self._left = True
            await self._execute("leave", self._worker)

    async def _execute(self, name: str, *values: object) -> None:
        with translate():
            async with asyncio.timeout(self.pace.mute_s / 2):
                await self._pool.execute(load(_SQL, name), *values)
