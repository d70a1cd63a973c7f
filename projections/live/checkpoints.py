"""Waiting for read models to pass a position: read your writes."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from events.database import Pool, load, translate
from events.envelope import Position
from events.errors import LogError
from projections.errors import UnknownProjection
from projections.live.runner import Runner
from projections.projection import Version, schema_of

POLL_S: Final = 0.005
"""Seconds between two looks at the checkpoints while somebody waits."""

AWAY_S: Final = 0.25
"""Seconds between two looks while the database does not answer."""

_SQL: Final = Path(__file__).parents[1] / "sql"
_log = logging.getLogger("flowledger.projections")


class _Heard(NamedTuple):
    position: Position
    paused: bool = False
    number: int = 0
    """Grows with what is heard: of an advance its own, of a look that of its beginning."""


_NOTHING: Final = _Heard(Position(0))
_Heap = list[tuple[Position, int, asyncio.Future[Position]]]


class Checkpoints:
    """Where the read models that answer stand; one for each process.

    Of the versions of a read model that one counts from which this process answers: what it was
    told by `serve`, or else what the registry says. What this process applies itself wakes its
    waiters at once. What others apply is seen by a look every 5 ms, one for the whole process, and
    only while somebody waits. A look may come back after something newer: that one stands.
    """

    def __init__(self, pool: Pool, runner: Runner | None = None) -> None:
        self._pool = pool
        self._heard: dict[str, _Heard] = {}
        """What was last heard of versions, by schema."""
        self._serving: dict[str, str] = {}
        self._told = False
        self._looked = 0
        self._passed: dict[frozenset[str], Position] = {}
        """What read models have passed together, since the last news."""
        self._waiting: dict[frozenset[str], _Heap] = {}
        self._numbers = itertools.count(1)
        self._poll: asyncio.Task[None] | None = None
        self._news = False
        if runner is not None:
            for schema, position in runner.positions.items():
                self._heard[schema] = _Heard(position)
            runner.on_advance(self._advance)

    async def position(self, name: str) -> Position:
        """Read where a read model stands now.

        Raises:
            UnknownProjection: there is none of this name.
            LogUnavailable: the database does not answer.
        """
        await self.look()
        schema = self._serving.get(name, "")
        if schema not in self._heard:
            raise UnknownProjection([name])
        return self._heard[schema].position

    def serve(self, versions: Mapping[str, Version]) -> None:
        """Count these versions from now on: the process answers from them."""
        self._told = True
        self._serving = {name: version.schema for name, version in versions.items()}
        self._wake()

    def known(self, version: Version) -> Position:
        """Tell where a version is known to stand; 0 of one that nothing is known of."""
        return self._heard.get(version.schema, _NOTHING).position

    async def wait(self, position: Position, names: Collection[str], timeout_s: float) -> bool:
        """Wait until these read models have passed a position; False if that takes longer.

        A paused one does not count: nobody knows when it goes on.
        """
        wanted = frozenset(names)
        if self._reached(wanted) >= position:
            return True
        loop = asyncio.get_running_loop()
        passed: asyncio.Future[Position] = loop.create_future()
        heap = self._waiting.setdefault(wanted, [])
        heapq.heappush(heap, (position, next(self._numbers), passed))
        self._start_polling()
        # Every start waits here: a timer alone takes a third of the time that a timeout would.
        late = loop.call_later(timeout_s, _settle, passed, Position(0))
        try:
            return await passed >= position
        finally:
            late.cancel()

    def behind(self, position: Position, names: Collection[str]) -> list[str]:
        """Name those that are not known to have passed a position; a paused one counts."""
        return sorted(name for name in names if self._of(name).position < position)

    def _of(self, name: str) -> _Heard:
        return self._heard.get(self._serving.get(name, ""), _NOTHING)

    def _reached(self, names: frozenset[str]) -> Position:
        passed = self._passed.get(names)
        if passed is None:
            heard = map(self._of, names)
            passed = min((each.position for each in heard if not each.paused), default=_NEVER)
            self._passed[names] = passed
        return passed

    def _advance(self, schema: str, position: Position) -> None:
        self._news = True
        self._heard[schema] = _Heard(position, number=next(self._numbers))
        self._wake()

    def _wake(self) -> None:
        self._passed.clear()
        for names, heap in list(self._waiting.items()):
            reached = self._reached(names)
            while heap and (heap[0][0] <= reached or heap[0][2].done()):
                _settle(heapq.heappop(heap)[2], reached)
            if not heap:
                del self._waiting[names]

    def _start_polling(self) -> None:
        if self._poll is None or self._poll.done():
            self._poll = asyncio.create_task(self._keep_looking(), name="poll checkpoints")

    async def _keep_looking(self) -> None:
        while self._waiting:
            self._news = False
            await asyncio.sleep(POLL_S)
            if self._news or not self._waiting:
                continue
            try:
                await self.look()
            except LogError as error:
                _log.warning("checkpoints cannot be read: %s", error)
                await asyncio.sleep(AWAY_S)

    async def look(self) -> None:
        """Read where all versions stand.

        Raises:
            LogUnavailable: the database does not answer.
        """
        number = next(self._numbers)
        with translate():
            rows = await self._pool.fetch(load(_SQL, "positions"))
        for row in rows:
            schema = schema_of(row["name"], row["version"])
            if number > self._heard.get(schema, _NOTHING).number:
                self._heard[schema] = _Heard(row["position"], row["state"] == "paused", number)
        if not self._told and number > self._looked:
            self._looked = number
            serving = [row for row in rows if row["serving"]]
            self._serving = {row["name"]: schema_of(row["name"], row["version"]) for row in serving}
        self._wake()


def _settle(waiter: asyncio.Future[Position], reached: Position) -> None:
    if not waiter.done():
        waiter.set_result(reached)


_NEVER: Final = Position(2**63 - 1)
