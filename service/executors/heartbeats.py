"""Tells which workers are alive, by the database's clock."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from events.database import Connection, Pool, load, translate_errors

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


class WorkerState(NamedTuple):
    """A worker, how many runs it drives at a time, and the seconds since its last heartbeat."""

    worker: str
    slots: int
    silent_s: float


async def list_workers(connection: Connection) -> list[WorkerState]:
    """List all workers that have a heartbeat, those of the last day that are dead too."""
    return [WorkerState(*row) for row in await connection.fetch(load(_SQL, "list_workers"))]


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
        self._ahead: dict[str, tuple[float, str]] = {}
        """Heartbeats later than the clock: when this process saw each first, and its time."""
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
        with translate_errors():
            rows = await self._pool.fetch(load(_SQL, "read_beats"), list(workers))
        beats = {str(row["worker"]): row for row in rows}
        now = asyncio.get_running_loop().time()
        self._ahead = {
            worker: self._ahead.get(worker, (now, row["beat_at"]))
            for worker, row in beats.items()
            if row["age_s"] is not None and row["age_s"] < 0
        }
        return {worker for worker, row in beats.items() if self._has_expired(worker, row, now)}

    def _has_expired(self, worker: str, beat: Any, now: float) -> bool:  # noqa: ANN401 - a row
        if beat["age_s"] is None or beat["age_s"] > self.timing.expiry_s:
            return True
        if beat["age_s"] >= 0:
            return False
        # The clock went back since. A worker that lives writes a new heartbeat soon; this process
        # counts by its own clock how long it has not.
        seen_at, beat_at = self._ahead[worker]
        if beat_at != beat["beat_at"]:
            self._ahead[worker] = (now, beat["beat_at"])
            return False
        return now - seen_at > self.timing.expiry_s

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
