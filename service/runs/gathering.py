"""Takes all that waits, together: many look-ups become one query."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from events.envelope import Position

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Found = tuple[Mapping[K, V], Position]
"""What a query found, by key, and the position of the read model that it read."""


class Gathering(Generic[K, V]):
    """Look-ups of one kind: while one query runs, the next gathers.

    A look-up only ever joins a query that has not been sent, so it sees all that was visible when
    it was asked. ``fetch`` takes at most ``limit`` distinct keys.
    """

    def __init__(
        self, fetch: Callable[[Sequence[K]], Awaitable[Found[K, V]]], *, limit: int = 1000
    ) -> None:
        self._fetch = fetch
        self._limit = limit
        self._waiting: dict[K, asyncio.Future[tuple[V | None, Position]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: K) -> tuple[V | None, Position]:
        """Find one value, or None, and the position of the read model that says so."""
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
            if self._task is None:
                self._task = asyncio.create_task(self._drain())
        return await asyncio.shield(future)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[: self._limit]
                await self._answer({key: self._waiting.pop(key) for key in keys})
        finally:
            self._task = None

    async def _answer(self, batch: dict[K, asyncio.Future[tuple[V | None, Position]]]) -> None:
        try:
            found, position = await self._fetch(list(batch))
        except Exception as error:  # noqa: BLE001 - every caller of the batch gets it
            for future in batch.values():
                future.set_exception(error)
                future.exception()  # a caller that hung up has nobody to read it
            return
        for key, future in batch.items():
            future.set_result((found.get(key), position))
