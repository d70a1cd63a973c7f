"""The version router: it switches once the next version has caught up, and cuts no query off."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count

import pytest

from events.database import connect_pool
from events.errors import LogUnavailable
from projections.live.checkpoints import Checkpoints
from projections.read_models.executions import read
from projections.registry import discover_all
from projections.serving.version_router import VersionRouter
from tests.projections.test_registry import _create_second
from tests.waiting import until

FLIP = "update projections.registry set serving_version = 2, previous_version = 1 where name = $1"
PLACE = (
    "update projections.checkpoints set position = $1, state = 'running'"
    " where name = 'executions' and version = $2"
)


@asynccontextmanager
async def _router(ledger):
    registry_pool = await connect_pool(ledger.url, max_size=2)
    router = VersionRouter(registry_pool, Checkpoints(registry_pool), discover_all())
    await router.open()
    try:
        yield router
    finally:
        await router.close()
        await registry_pool.close()


async def test_router_switches_once_the_next_version_has_the_position_shown(ledger, monkeypatch):
    await _create_second(ledger)
    async with _router(ledger) as router:
        await ledger.pool.execute(PLACE, 7, 1)
        assert (await router.query(read.by_run_ids, [("acme", "none")])).position == 7
        await ledger.pool.execute(PLACE, 6, 2)
        await ledger.pool.execute(FLIP, "executions")
        with monkeypatch.context() as patched:
            patched.setattr("projections.serving.version_router.SWITCH_TIMEOUT_S", 0.05)
            with pytest.raises(TimeoutError):
                await router._follow_registry()
        assert (await router.query(read.by_run_ids, [("acme", "none")])).position == 7

        await ledger.pool.execute(PLACE, 8, 2)
        await router._follow_registry()
        assert (await router.query(read.by_run_ids, [("acme", "none")])).position == 8


@pytest.mark.parametrize("method", ["query", "query_immutable"])
async def test_query_that_takes_too_long_is_log_unavailable(ledger, monkeypatch, method):
    async with _router(ledger) as router:
        async with AsyncExitStack() as stack:
            for _ in range(router.pool.get_max_size()):
                await stack.enter_async_context(router.connection())
            with monkeypatch.context() as patched:
                patched.setattr("projections.serving.version_router.QUERY_TIMEOUT_S", 0.01)
                with pytest.raises(LogUnavailable):
                    await getattr(router, method)(read.by_run_ids, [("acme", "none")])
        assert (await router.query(read.by_run_ids, [("acme", "none")])).rows == {}


async def test_connections_are_given_in_the_order_of_the_requests(ledger):
    asked, got = count(), []

    async def read_on(times):
        for _ in range(times):
            mine = next(asked)
            async with router.connection() as connection:
                got.append(mine)
                await connection.fetchval("select 1")

    async with _router(ledger) as router:
        await asyncio.gather(*(read_on(1) for _ in range(30)))  # all connections are open
        got.clear()
        await asyncio.gather(*(read_on(10) for _ in range(30)))
    assert got == sorted(got)


async def test_query_in_progress_ends_on_the_version_it_began_with(ledger):
    await _create_second(ledger)
    async with _router(ledger) as router:
        async with router.connection() as connection:
            await ledger.pool.execute(PLACE, 0, 2)
            await ledger.pool.execute(FLIP, "executions")
            following = asyncio.create_task(router._follow_registry())
            await until(lambda: router.version("executions").number == 2)
            await asyncio.sleep(0)
            assert await connection.fetchval("select position from executions_checkpoint") == 0
            assert not following.done()
        await following
