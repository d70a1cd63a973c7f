"""What a tailing reader got, beside what was written meanwhile. Standard library only: the peers'
programs import it in environments of their own.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

PATIENCE_S = 5.0
"""How long after the last append the reader may take for what is still missing."""


@dataclass
class Tail:
    """Ids written and seen; times are of one process's clock."""

    written: dict[str, float] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    again: int = 0
    per_s: float = 0.0

    def wrote(self, event_id: str, began: float) -> None:
        self.written[event_id] = began

    def saw(self, event_id: str) -> None:
        if event_id in self.seen:
            self.again += 1
        else:
            self.seen[event_id] = time.perf_counter()

    @property
    def lost(self) -> int:
        return len(self.written.keys() - self.seen.keys())

    @property
    def latencies(self) -> list[float]:
        """From the call of append until the reader had the event, in seconds."""
        return [
            self.seen[event_id] - began
            for event_id, began in self.written.items()
            if event_id in self.seen
        ]

    async def settle(self, seconds: float) -> None:
        """Take the rate, and wait until nothing is missing or the patience is over."""
        self.per_s = len(self.written) / seconds
        until = time.perf_counter() + PATIENCE_S
        while self.lost and time.perf_counter() < until:  # noqa: ASYNC110 - of any kind of loop
            await asyncio.sleep(0.05)
