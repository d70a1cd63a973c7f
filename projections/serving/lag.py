"""Measures how far each version lags behind the log, and how fast it catches up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from events.database import Pool
from projections.registry import status

MIN_INTERVAL_S: Final = 1.0
"""Seconds at least between the two samples that a rate is computed from."""

WINDOW_S: Final = 5.0
"""Age of the earlier sample after which the current one replaces it."""

MAX_SAMPLE_AGE_S: Final = 60.0
"""Age after which a sample says nothing about the current rate."""

STUCK_S: Final = 5.0
"""Age of the first unapplied event from which a read model that does not move needs help."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Sample:
    taken_at_s: float
    rows: list[Row]

    @property
    def positions(self) -> Mapping[tuple[str, int], int]:
        return {(row["name"], row["version"]): row["position"] for row in self.rows}


class LagMonitor:
    """Samples the checkpoints on request and computes rates from two samples.

    So the rate counts events applied by any process, and nothing is stored. The first call after a
    pause waits `MIN_INTERVAL_S` for its second sample.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._earlier: _Sample | None = None

    async def refresh(self) -> list[Row]:
        """Read the status of every version as `registry.status` does, with its rate.

        ``rate_per_s`` is the number of events applied per second over the last ``rate_over_s``
        seconds. ``advice`` is what an operator should do, or None.

        Raises:
            LogUnavailable: the database does not answer.
        """
        earlier = self._earlier
        if earlier is None or time.monotonic() - earlier.taken_at_s > MAX_SAMPLE_AGE_S:
            self._earlier = earlier = await self._sample()
        missing_s = earlier.taken_at_s + MIN_INTERVAL_S - time.monotonic()
        if missing_s > 0:
            await asyncio.sleep(missing_s)
        now = await self._sample()
        if now.taken_at_s - earlier.taken_at_s > WINDOW_S:
            self._earlier = now
        return [_with_rate(row, earlier, now) for row in now.rows]

    async def _sample(self) -> _Sample:
        rows = await status(self._pool)
        return _Sample(time.monotonic(), rows)


def _with_rate(row: Row, earlier: _Sample, now: _Sample) -> Row:
    over_s = now.taken_at_s - earlier.taken_at_s
    before = earlier.positions.get((row["name"], row["version"]), row["position"])
    rate = max(row["position"] - before, 0) / over_s
    rated = {**row, "rate_per_s": round(rate, 1), "rate_over_s": round(over_s, 1)}
    return {**rated, "advice": suggested_action(rated)}


def suggested_action(row: Row) -> str | None:
    """Say what an operator should do about a version; None: nothing."""
    if row["state"] == "paused":
        version = "" if row["serving"] else f" --version {row['version']}"
        return (
            f"fix the cause and run `flowledger projections retry {row['name']}{version}`,"
            " or skip the event: `flowledger projections skip"
            f" {row['name']} {row['error_position']}{version} --reason '...'`"
        )
    if row["state"] == "running" and not row["rate_per_s"] and row["lag_s"] > STUCK_S:
        return "no process applies events: run `serve` or `project` of the newest release in use"
    return None
