"""Batches concurrent look-ups into one query."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from events.envelope import Position

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Found = tuple[Mapping[K, V], Position]
"""The values that a query found, by key, and the position of the read model that it read."""

_Callers = list[asyncio.Future[tuple[V | None, Position]]]


class DataLoader(Generic[K, V]):
    """Look-ups of one kind: while a query runs, the keys of the next one are collected.

    A look-up only joins a query that has not been sent, so it sees all that was visible when it was
    called. ``fetch`` gets at most ``limit`` distinct keys.
    """

    def __init__(
        self, fetch: Callable[[Sequence[K]], Awaitable[Found[K, V]]], *, limit: int = 1000
    ) -> None:
        self._fetch = fetch
        self._limit = limit
        self._waiting: dict[K, _Callers[V]] = {}
        self._task: asyncio.Task[None] | None = None

    def get(self, key: K) -> asyncio.Future[tuple[V | None, Position]]:
        """Look a value up; None if there is none. With it comes the read model's position."""
        # A future for each caller: a cancelled caller must not cancel the others.
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
                await self._load({key: self._waiting.pop(key) for key in keys})
        finally:
            self._task = None

    async def _load(self, batch: dict[K, _Callers[V]]) -> None:
        try:
            found, position = await self._fetch(list(batch))
        except Exception as error:  # noqa: BLE001 - every caller of the batch gets it
            for future in _unanswered(batch.values()):
                future.set_exception(error)
            return
        for key, callers in batch.items():
            answer = found.get(key), position
            for future in _unanswered([callers]):
                future.set_result(answer)


def _unanswered(
    batch: Iterable[_Callers[V]],
) -> Iterator[asyncio.Future[tuple[V | None, Position]]]:
    return (future for callers in batch for future in callers if not future.done())
