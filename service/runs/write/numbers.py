"""Run numbers, at hand before they are needed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from service.runs.write.number_sequence import BLOCK

MOST_BLOCKS: Final = 50

Fetch = Callable[[int], Awaitable[Sequence[range]]]
"""Takes that many blocks from the ledger's sequence: `number_sequence.next_blocks` and its pool."""


class Numbers:
    """The run numbers of a process: positive, below 2**31, unique in the ledger, gaps allowed.

    The more were used since the last fetch, the more blocks the next one takes, so that a burst
    waits for the database once or twice and a quiet process holds a block or two.
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
            LogUnavailable: the database does not answer, and no number is at hand.
        """
        self._used += 1
        while len(self._ready) <= BLOCK:
            fetching = self._fetching or self._start()
            if self._ready:
                break
            await asyncio.shield(fetching)
        return self._ready.popleft()

    async def close(self) -> None:
        """Stop fetching."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    def _start(self) -> asyncio.Task[None]:
        self._fetching = asyncio.create_task(self._more(), name="run numbers")
        self._fetching.add_done_callback(self._fetched)
        return self._fetching

    async def _more(self) -> None:
        blocks = min(1 + self._used // BLOCK, MOST_BLOCKS)
        self._used = 0
        for block in await self._fetch(blocks):
            self._ready.extend(block)

    def _fetched(self, task: asyncio.Task[None]) -> None:
        self._fetching = None
        # Who waits gets the error; of a fetch ahead nobody needs it: the next call asks again.
        if not task.cancelled():
            task.exception()
