"""Waits for read models to reach a position: read your writes."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from events.database import Pool, load, translate_errors
from events.envelope import Position
from events.errors import LogError
from projections.errors import UnknownProjection
from projections.live.runner import Runner
from projections.projection import Version, schema_of

POLL_S: Final = 0.005
"""Seconds between two reads of the checkpoints while somebody waits."""

RETRY_S: Final = 0.25
"""Seconds between two reads while the database does not answer."""

_SQL: Final = Path(__file__).parents[1] / "sql"
_log = logging.getLogger("flowledger.projections")


class KnownCheckpoint(NamedTuple):
    """The newest checkpoint that this process knows of a version.

    ``observed`` orders observations: a row read by a refresh counts from when the refresh began.
    """

    position: Position
    paused: bool = False
    observed: int = 0


_UNKNOWN: Final = KnownCheckpoint(Position(0))
_UNBOUNDED: Final = Position(2**63 - 1)
_Heap = list[tuple[Position, int, asyncio.Future[Position]]]


class Checkpoints:
    """Knows the serving versions' positions, and wakes who waits for one; one for each process.

    The serving version of a read model is the one given to `pin_versions`; before that, the one in
    the registry. Events that this process applies wake waiters at once. Events that others apply
    are noticed by polling every 5 ms: one query for all waiters, and none while nobody waits. A
    refresh whose rows arrive late never overwrites a newer observation.
    """

    def __init__(self, pool: Pool, runner: Runner | None = None) -> None:
        self._pool = pool
        self._known: dict[str, KnownCheckpoint] = {}
        """By the version's schema."""
        self._serving: dict[str, str] = {}
        """The schema of each read model's serving version."""
        self._versions_pinned = False
        self._serving_observed = 0
        self._common: dict[frozenset[str], Position] = {}
        """The position that all of some read models have reached; emptied when any moves."""
        self._waiting: dict[frozenset[str], _Heap] = {}
        self._sequence = itertools.count(1)
        self._poll: asyncio.Task[None] | None = None
        self._advanced = False
        """Whether this process applied anything since the last poll: then no poll is needed."""
        if runner is not None:
            for schema, position in runner.positions.items():
                self._known[schema] = KnownCheckpoint(position)
            runner.on_advance(self._advance)

    async def position(self, name: str) -> Position:
        """Read a read model's current position from the database.

        Raises:
            UnknownProjection: there is none of this name.
            LogUnavailable: the database does not answer.
        """
        await self.refresh()
        schema = self._serving.get(name, "")
        if schema not in self._known:
            raise UnknownProjection([name])
        return self._known[schema].position

    def pin_versions(self, versions: Mapping[str, Version]) -> None:
        """Use these versions from now on, whatever the registry says."""
        self._versions_pinned = True
        self._serving = {name: version.schema for name, version in versions.items()}
        self._wake()

    def known_position(self, version: Version) -> Position:
        """Give a version's position as far as known here; 0 if unknown."""
        return self._known.get(version.schema, _UNKNOWN).position

    async def wait(self, position: Position, names: Collection[str], timeout_s: float) -> bool:
        """Wait until these read models have reached a position; False after the timeout.

        A paused one is not waited for: only an operator knows when it continues.
        """
        wanted = frozenset(names)
        if self._common_position(wanted) >= position:
            return True
        loop = asyncio.get_running_loop()
        reached: asyncio.Future[Position] = loop.create_future()
        heap = self._waiting.setdefault(wanted, [])
        heapq.heappush(heap, (position, next(self._sequence), reached))
        self._start_polling()
        # Every start waits here: a bare timer costs a third of asyncio.timeout.
        timer = loop.call_later(timeout_s, _resolve, reached, Position(0))
        try:
            return await reached >= position
        finally:
            timer.cancel()

    def lagging(self, position: Position, names: Collection[str]) -> list[str]:
        """Name those not known to have reached a position, paused ones included."""
        return sorted(name for name in names if self._checkpoint(name).position < position)

    def _checkpoint(self, name: str) -> KnownCheckpoint:
        return self._known.get(self._serving.get(name, ""), _UNKNOWN)

    def _common_position(self, names: frozenset[str]) -> Position:
        position = self._common.get(names)
        if position is None:
            checkpoints = map(self._checkpoint, names)
            running = (each.position for each in checkpoints if not each.paused)
            position = self._common[names] = min(running, default=_UNBOUNDED)
        return position

    def _advance(self, schema: str, position: Position) -> None:
        self._advanced = True
        self._known[schema] = KnownCheckpoint(position, observed=next(self._sequence))
        self._wake()

    def _wake(self) -> None:
        self._common.clear()
        for names, heap in list(self._waiting.items()):
            reached = self._common_position(names)
            while heap and (heap[0][0] <= reached or heap[0][2].done()):
                _resolve(heapq.heappop(heap)[2], reached)
            if not heap:
                del self._waiting[names]

    def _start_polling(self) -> None:
        if self._poll is None or self._poll.done():
            self._poll = asyncio.create_task(self._poll_while_waiting(), name="poll checkpoints")

    async def _poll_while_waiting(self) -> None:
        while self._waiting:
            self._advanced = False
            await asyncio.sleep(POLL_S)
            if self._advanced or not self._waiting:
                continue
            try:
                await self.refresh()
            except LogError as error:
                _log.warning("checkpoints cannot be read: %s", error)
                await asyncio.sleep(RETRY_S)

    async def refresh(self) -> None:
        """Read the checkpoints of all versions.

        Raises:
            LogUnavailable: the database does not answer.
        """
        observed = next(self._sequence)
        with translate_errors():
            rows = await self._pool.fetch(load(_SQL, "all_checkpoints"))
        for row in rows:
            schema = schema_of(row["name"], row["version"])
            if observed > self._known.get(schema, _UNKNOWN).observed:
                paused = row["state"] == "paused"
                self._known[schema] = KnownCheckpoint(row["position"], paused, observed)
        if not self._versions_pinned and observed > self._serving_observed:
            self._serving_observed = observed
            serving = [row for row in rows if row["serving"]]
            self._serving = {row["name"]: schema_of(row["name"], row["version"]) for row in serving}
        self._wake()


def _resolve(waiter: asyncio.Future[Position], reached: Position) -> None:
    if not waiter.done():
        waiter.set_result(reached)
