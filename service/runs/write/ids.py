"""New ids of the ledger: UUIDs, and run numbers that are fetched before they are needed."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from service.runs.write.number_sequence import BLOCK_SIZE

MAX_BLOCKS: Final = 50
"""Blocks in one fetch."""

Fetch = Callable[[int], Awaitable[Sequence[range]]]
"""Takes that many blocks from the ledger's sequence: `number_sequence.NumberBlocks.take`."""

_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def new_id() -> str:
    """Make a UUID of version 7: ordered by time, so that new ids stand together in an index.

    Source: RFC 9562, section 5.7.
    """
    when = f"{time.time_ns() // 1_000_000:012x}"
    chance = os.urandom(10).hex()
    return f"{when[:8]}-{when[8:]}-7{chance[:3]}-{_VARIANT[chance[3]]}{chance[4:7]}-{chance[8:]}"


class RunNumbers:
    """The run numbers of a process: positive, below 2**31, unique in the ledger, with gaps.

    A fetch takes more blocks the more numbers were used since the last one. So a burst of starts
    waits for the database once or twice, and a quiet process holds a block or two.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._ready: deque[int] = deque()
        self._used = 0
        self._fetching: asyncio.Task[None] | None = None

    async def next(self) -> int:
        """Take the next number.

        Raises:
            NumbersExhausted: none is left below 2**31.
            LogUnavailable: the database does not answer, and no number is ready.
        """
        self._used += 1
        while len(self._ready) <= BLOCK_SIZE:
            fetching = self._fetching or self._start_fetch()
            if self._ready:
                break
            await asyncio.shield(fetching)
        return self._ready.popleft()

    async def close(self) -> None:
        """Stop fetching."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    def _start_fetch(self) -> asyncio.Task[None]:
        self._fetching = asyncio.create_task(self._fetch_blocks(), name="run numbers")
        self._fetching.add_done_callback(self._fetch_done)
        return self._fetching

    async def _fetch_blocks(self) -> None:
        blocks = min(1 + self._used // BLOCK_SIZE, MAX_BLOCKS)
        self._used = 0
        for block in await self._fetch(blocks):
            self._ready.extend(block)

    def _fetch_done(self, task: asyncio.Task[None]) -> None:
        self._fetching = None
        # Waiting callers get the error. Nobody needs that of a fetch ahead: the next call retries.
        if not task.cancelled():
            task.exception()
