"""What a tailing reader got, beside what was written meanwhile. Standard library only: the peers'
programs import it in environments of their own.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

PATIENCE_S = 3.0
"""Once the writers are done, a reader that gets nothing for so long gets nothing any more."""


@dataclass
class Tail:
    """Ids written and seen; times are of one process's clock."""

    written: dict[str, float] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    per_s: float = 0.0
    last_seen: float = 0.0
    settling_since: float | None = None

    def wrote(self, event_id: str, began: float) -> None:
        self.written[event_id] = began

    def saw(self, event_id: str) -> None:
        self.last_seen = time.perf_counter()
        self.seen.setdefault(event_id, self.last_seen)

    @property
    def lost(self) -> int:
        return len(self.written.keys() - self.seen.keys())

    @property
    def waiting(self) -> bool:
        """Whether something is missing that may still come."""
        if self.settling_since is None:
            self.settling_since = time.perf_counter()
        latest = max(self.settling_since, self.last_seen)
        return bool(self.lost) and time.perf_counter() < latest + PATIENCE_S

    @property
    def latencies(self) -> list[float]:
        """From the call of append until the reader had the event, in seconds."""
        return [
            self.seen[event_id] - began
            for event_id, began in self.written.items()
            if event_id in self.seen
        ]

    def told(self) -> dict[str, Any]:
        """As the programs print it."""
        return {
            "per_s": self.per_s,
            "written": len(self.written),
            "lost": self.lost,
            "latencies": self.latencies,
        }

    async def settle(self, seconds: float) -> None:
        """Take the rate, and wait until nothing is missing or nothing comes any more."""
        self.per_s = len(self.written) / seconds
        while self.waiting:  # noqa: ASYNC110 - of any kind of loop
            await asyncio.sleep(0.05)
