"""A database with a log and empty read models, and what a process does with them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, nullcontext

import pytest

from events.database import connect_pool
from events.errors import LogUnavailable
from events.follow import Feed
from events.store import Log
from projections.flow_versions import FlowVersions
from projections.live.checkpoints import Checkpoints
from projections.live.runner import Runner
from projections.projection import Projection, Version
from projections.registry import discover, open_read_pool
from tests.projections.histories import History, requests
from tests.waiting import until

NAMES = [projection.name for projection in discover()]
SCHEMAS = [f"{name}_v1" for name in NAMES]


def first(projection: Projection) -> Version:
    """The version that answers in a new database."""
    return Version(projection, 1)


class Ledger:
    """One database, with everything that a process opens on it."""

    def __init__(self, url, pool, read, feed) -> None:
        self.url = url
        self.pool = pool
        self.database = pool.database
        self.read = read
        self.feed = feed
        self.log = Log(pool)
        self.flows = FlowVersions(self.log)

    async def write(self, history: History, after: int = 0) -> int:
        """Append the events of a history beyond a position; gives the log's head."""
        answers = await self.log.append(requests(history.events[after:]))
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        self.feed.wake()
        return answers[-1].last_position

    def runner(self, projections: Iterable[Projection] | None = None) -> Runner:
        return Runner(self.feed, self.database, projections or discover(), FlowVersions(self.log))

    @asynccontextmanager
    async def applying(self, projections=None) -> AsyncIterator[Runner]:
        """A runner at work, stopped at the end."""
        runner = self.runner(projections)
        async with working(runner.run()):
            yield runner

    async def reach(self, position: int, names=NAMES) -> None:
        """Wait until these read models stand there, paused or not."""
        checkpoints = Checkpoints(self.read)

        async def stands() -> bool:
            found = [await checkpoints.position(name) for name in names]
            return min(found) >= position

        await until(stands)

    async def tables(self, projection: Projection, number: int = 1) -> dict[str, list[tuple]]:
        """All rows of a read model's tables, in a fixed order."""
        schema = Version(projection, number).schema
        names = await self.pool.fetch(
            "select tablename from pg_tables where schemaname = $1 order by 1", schema
        )
        rows = {name: await self.pool.fetch(f"select * from {schema}.{name}") for (name,) in names}
        return {name: sorted(map(tuple, found), key=repr) for name, found in rows.items()}

    async def state(self, name: str) -> dict:
        return dict(
            await self.pool.fetchrow("select * from projections.checkpoints where name = $1", name)
        )


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[Ledger]:
    async with opened(database_url) as ledger:
        yield ledger


@asynccontextmanager
async def opened(url: str, *, follow: bool = True) -> AsyncIterator[Ledger]:
    pool = await connect_pool(url)
    read = await open_read_pool(pool.database)
    feed = Feed(Log(pool))
    try:
        async with working(following(feed)) if follow else nullcontext():
            yield Ledger(url, pool, read, feed)
    finally:
        await read.close()
        await pool.close()


async def following(feed: Feed) -> None:
    """Follow the log as a supervisor has it: again and again where the database is away."""
    while True:
        try:
            await feed.run()
        except LogUnavailable:
            await asyncio.sleep(0.05)


async def filled(url: str, history: History, projections=None) -> None:
    """Write a history, a few events at a time so that their times differ, and apply it."""
    chosen = projections or discover()
    async with opened(url) as ledger, ledger.applying(chosen):
        for start in range(0, len(history.events), 40):
            part = History()
            part.events = history.events[: start + 40]
            head = await ledger.write(part, after=start)
        await ledger.reach(head, [projection.name for projection in chosen])


@asynccontextmanager
async def working(coroutine) -> AsyncIterator[asyncio.Task]:
    """A task at work, stopped at the end; what it died of is raised."""
    task = asyncio.create_task(coroutine)
    try:
        yield task
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
