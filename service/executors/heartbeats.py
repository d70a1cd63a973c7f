"""Tells which workers are alive, by the database's clock."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from events.database import Pool, load, translate_errors

_SQL: Final = Path(__file__).parent / "sql"


@dataclass(frozen=True, slots=True)
class HeartbeatTiming:
    """The timing of heartbeats, the same for all workers.

    A worker that has written no heartbeat for ``isolated_s`` stops its tasks. ``expiry_s`` after
    its last heartbeat other workers take over its runs. The difference is its time to stop.
    """

    interval_s: float = 2.0
    isolated_s: float = 10.0
    expiry_s: float = 15.0


class Heartbeats:
    """One worker's view of the table of heartbeats."""

    def __init__(
        self,
        pool: Pool,
        worker: str,
        *,
        slots: int,
        timing: HeartbeatTiming = HeartbeatTiming(),
    ) -> None:
        self.timing = timing
        self._pool = pool
        self._worker = worker
        self._slots = slots
        self._last_beat_at = -math.inf
        self._has_left = False
        self._lock = asyncio.Lock()

    @property
    def isolated(self) -> bool:
        """Whether this worker has written no heartbeat for so long that it must stop its tasks."""
        return asyncio.get_running_loop().time() - self._last_beat_at > self.timing.isolated_s

    async def beat(self) -> None:
        """Write one heartbeat, unless this worker has left.

        Raises:
            LogUnavailable: the database does not answer.
        """
        async with self._lock:
            if self._has_left:
                return
            before = asyncio.get_running_loop().time()
            await self._execute("beat", self._worker, self._slots)
            # The time of sending: the others count from the time of writing, which is later.
            self._last_beat_at = before

    async def expired(self, workers: Collection[str]) -> set[str]:
        """Name those of these workers whose heartbeat has expired or is gone.

        Raises:
            LogUnavailable: the database does not answer.
        """
        if not workers:
            return set()
        expiry = timedelta(seconds=self.timing.expiry_s)
        with translate_errors():
            rows = await self._pool.fetch(load(_SQL, "expired"), list(workers), expiry)
        return {str(row["worker"]) for row in rows}

    async def leave(self) -> None:
        """Delete this worker's heartbeat, so that others take over at once.

        Raises:
            LogUnavailable: the others wait until the heartbeat expires.
        """
        async with self._lock:
            self._has_left = True
            await self._execute("leave", self._worker)

    async def _execute(self, name: str, *values: object) -> None:
        with translate_errors():
            async with asyncio.timeout(self.timing.isolated_s / 2):
                await self._pool.execute(load(_SQL, name), *values)
