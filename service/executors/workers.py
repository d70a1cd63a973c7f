"""Heartbeats: which workers are alive, by the database's clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import asyncpg

from events.database import load, translate
from events.errors import LogUnavailable

BEAT_S = 2.0
SILENCE = timedelta(seconds=15)
"""After so long without a heartbeat any worker may take over."""
MUTE_S = 10.0
"""A worker that could not beat for so long stops its own tasks, before others take over."""

_SQL = Path(__file__).parent / "sql"
_log = logging.getLogger(__name__)


class Workers:
    """The table of heartbeats, seen from one worker."""

    def __init__(self, pool: asyncpg.Pool, worker: str, *, slots: int) -> None:
        self._pool = pool
        self._worker = worker
        self._slots = slots
        self._heard = 0.0

    @property
    def mute(self) -> bool:
        """Tell whether this worker could not beat for so long that it must stop its tasks."""
        return asyncio.get_running_loop().time() - self._heard > MUTE_S

    async def beat(self) -> None:
        """Write one heartbeat. Raises `LogUnavailable`."""
        before = asyncio.get_running_loop().time()
        with translate():
            await self._pool.execute(load(_SQL, "beat"), self._worker, self._slots, timeout=BEAT_S)
        # From when it was sent: the others count from when the database wrote it, which is later.
        self._heard = before

    async def run(self) -> None:
        """Beat every two seconds, until cancelled."""
        while True:
            try:
                await self.beat()
            except LogUnavailable as error:
                _log.warning("heartbeat of worker %s failed: %s", self._worker, error)
            await asyncio.sleep(BEAT_S)

    async def silent(self, workers: Iterable[str]) -> set[str]:
        """Name which of these workers have been silent for 15 s. Raises `LogUnavailable`."""
        with translate():
            rows = await self._pool.fetch(load(_SQL, "silent"), list(workers), SILENCE)
        return {str(row["worker"]) for row in rows}

    async def leave(self) -> None:
        """Take this worker off the table, so that others take over at once."""
        with translate():
            await self._pool.execute(load(_SQL, "leave"), self._worker)
