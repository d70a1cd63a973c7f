"""How far the read models are, and how fast they go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from events.database import Pool
from projections.registry import status

SAMPLE_S: Final = 1.0
"""Seconds at least between the two looks that a rate is taken from."""

WINDOW_S: Final = 5.0
"""Seconds after which a look gives way to a newer one as what is compared with."""

STALE_S: Final = 60.0
"""Seconds after which a look says nothing any more of how fast it goes now."""

STUCK_S: Final = 5.0
"""Age of the first event not applied, from which on a read model that stands still needs help."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Look:
    at_s: float
    rows: list[Row]

    @property
    def positions(self) -> Mapping[tuple[str, int], int]:
        return {(row["name"], row["version"]): row["position"] for row in self.rows}


class Progress:
    """Looks at the checkpoints now and then; one for each process that is asked.

    A rate is what lies between two looks at the same row, whoever has moved it: nothing is written
    for it. The first to ask for a while waits `SAMPLE_S` for the second look.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._earlier: _Look | None = None

    async def look(self) -> list[Row]:
        """Tell how far every version is: as `registry.status`, and besides.

        ``rate_per_s`` are the events passed each second over the last ``rate_over_s`` seconds;
        ``advice`` is what an operator should do about it, or None.

        Raises:
            LogUnavailable: the database does not answer.
        """
        earlier = self._earlier
        if earlier is None or time.monotonic() - earlier.at_s > STALE_S:
            self._earlier = earlier = await self._take()
        missing_s = earlier.at_s + SAMPLE_S - time.monotonic()
        if missing_s > 0:
            await asyncio.sleep(missing_s)
        now = await self._take()
        if now.at_s - earlier.at_s > WINDOW_S:
            self._earlier = now
        return [_with_rate(row, earlier, now) for row in now.rows]

    async def _take(self) -> _Look:
        rows = await status(self._pool)
        return _Look(time.monotonic(), rows)


def _with_rate(row: Row, earlier: _Look, now: _Look) -> Row:
    over_s = now.at_s - earlier.at_s
    before = earlier.positions.get((row["name"], row["version"]), row["position"])
    rate = max(row["position"] - before, 0) / over_s
    told = {**row, "rate_per_s": round(rate, 1), "rate_over_s": round(over_s, 1)}
    return {**told, "advice": advice(told)}


def advice(row: Row) -> str | None:
    """Say what an operator should do about a read model; None: nothing."""
    name = row["name"]
    if row["state"] == "paused":
        return (
            f"mend the cause and `flowledger projections retry {name}`, or give the event up:"
            f" `flowledger projections skip {name} {row['error_position']}`"
        )
    if row["state"] == "running" and not row["rate_per_s"] and row["lag_s"] > STUCK_S:
        return "nobody applies it: run `serve` or `project`, of the newest release in use"
    return None
