"""Takes all that waits, together: many look-ups become one query."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from events.envelope import Position

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Found = tuple[Mapping[K, V], Position]
"""What a query found, by key, and the position of the read model that it read."""

_Asking = list[asyncio.Future[tuple[V | None, Position]]]


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
        self._waiting: dict[K, _Asking[V]] = {}
        self._task: asyncio.Task[None] | None = None

    def get(self, key: K) -> asyncio.Future[tuple[V | None, Position]]:
        """Find one value, or None, and the position of the read model that says so."""
        # A future for each caller: who hangs up takes nothing from the others.
        future: asyncio.Future[tuple[V | None, Position]]
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[: self._limit]
                await self._answer({key: self._waiting.pop(key) for key in keys})
        finally:
            self._task = None

    async def _answer(self, batch: dict[K, _Asking[V]]) -> None:
        try:
            found, position = await self._fetch(list(batch))
        except Exception as error:  # noqa: BLE001 - every caller of the batch gets it
            for future in _still(batch.values()):
                future.set_exception(error)
            return
        for key, asking in batch.items():
            answer = found.get(key), position
            for future in _still([asking]):
                future.set_result(answer)


def _still(batch: Iterable[_Asking[V]]) -> Iterator[asyncio.Future[tuple[V | None, Position]]]:
    return (future for asking in batch for future in asking if not future.done())
