"""Two versions of a read model at one position: held for a moment, or seen in one snapshot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from events.database import connect, hang_up, load
from events.envelope import Event, Position
from events.store import Log
from projections.errors import RebuildRefused
from projections.flow_versions import Flows
from projections.live.projector import Projector
from projections.projection import Version

TRIES: Final = 200
"""How often two versions are brought to one position before it is given up."""

NEAR_S: Final = 0.05
"""Seconds between two tries while a version lacks more than `NEAR` events."""

NEAR: Final = 500
"""Events that the version behind may lack for the moment in which the other is held."""

_SQL: Final = Path(__file__).parents[1] / "sql"


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a version stands."""

    position: Position
    state: str
    error: str | None
    error_position: int | None


class _Pages:
    """The log as a projector reads it that knows how far it will read."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def after(self, position: Position, limit: int) -> Sequence[Event]:
        return await self._log.read(position, limit)


class Pair:
    """The version that answers and the one that is to follow it, of one read model."""

    def __init__(self, url: str, log: Log, serving: Version, following: Version) -> None:
        self.serving = serving
        self.following = following
        self.longest_hold_s = 0.0
        """How long projectors had to stay back at most, so far."""
        self._url = url
        self._log = log
        self._flows = Flows(log)

    async def stand(self, connection: asyncpg.Connection) -> tuple[Stand, Stand]:
        """Tell where both stand: the one that answers first."""
        return self._stands(await self._fetch(connection, "two_positions"))

    async def _fetch(self, connection: asyncpg.Connection, statement: str) -> Sequence[Any]:
        rows: Sequence[Any] = await connection.fetch(
            load(_SQL, statement), self.serving.name, self.serving.number, self.following.number
        )
        return rows

    def _stands(self, rows: Sequence[Any]) -> tuple[Stand, Stand]:
        by_number = {
            row["version"]: Stand(
                row["position"], row["state"], row["error"], row["error_position"]
            )
            for row in rows
        }
        if len(by_number) < 2:  # noqa: PLR2004 - a pair
            raise RebuildRefused(f"a version of {self.serving.name} was dropped meanwhile")
        return by_number[self.serving.number], by_number[self.following.number]

    @asynccontextmanager
    async def held(self, connection: asyncpg.Connection) -> AsyncIterator[tuple[Stand, Stand]]:
        """Hold both, the following one brought to where the other stands; in one transaction.

        Appliers pass a held row by and come again; readers notice nothing.
        """
        began = time.perf_counter()
        async with connection.transaction():
            serving, following = self._stands(await self._fetch(connection, "hold_two"))
            began = time.perf_counter()
            if following.position < serving.position:
                await self._bring(connection, self.following, following, serving.position)
            yield self._stands(await self._fetch(connection, "two_positions"))
        self.longest_hold_s = max(self.longest_hold_s, time.perf_counter() - began)

    async def _bring(
        self, connection: asyncpg.Connection, version: Version, stand: Stand, position: Position
    ) -> None:
        if stand.state != "running":
            raise RebuildRefused(
                f"{version.schema} is {stand.state} at position {stand.error_position}:"
                f" {stand.error}"
            )
        if position - stand.position > NEAR:
            raise TooFarBehind(version, Position(position - stand.position))
        await connection.execute(load(_SQL, "set_search_path"), version.schema)
        projector = Projector(
            version,
            feed=_Pages(self._log),
            url=self._url,
            flows=self._flows,
        )
        await projector.catch_up(connection, position)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[tuple[asyncpg.Connection, Position]]:
        """See both at exactly one position, for as long as it takes; projectors go on meanwhile.

        Raises:
            RebuildRefused: one is paused, or they do not meet.
            ApplyEventError: one cannot apply an event that the other has.
        """
        seeing, holding = await connect(self._url), await connect(self._url)
        try:
            for _ in range(TRIES):
                if await self._meet(holding):
                    transaction = seeing.transaction(isolation="repeatable_read", readonly=True)
                    await transaction.start()
                    serving, following = await self.stand(seeing)
                    if serving.position == following.position:
                        yield seeing, serving.position
                        await transaction.rollback()
                        return
                    await transaction.rollback()
            raise RebuildRefused(f"the versions of {self.serving.name} came to no common position")
        finally:
            await hang_up(seeing)
            await hang_up(holding)

    async def _meet(self, holding: asyncpg.Connection) -> bool:
        # Once let go, a projector may move one of them before the snapshot is taken: then again.
        try:
            async with self.held(holding) as (serving, following):
                if serving.position < following.position:
                    await self._bring(holding, self.serving, serving, following.position)
        except TooFarBehind:
            await asyncio.sleep(NEAR_S)
            return False
        return True


class TooFarBehind(RebuildRefused):
    """A version lacks too many events to be brought up while the other is held."""

    def __init__(self, version: Version, lag: Position) -> None:
        super().__init__(
            f"{version.schema} is {lag} events behind; try again when it has caught up"
        )
