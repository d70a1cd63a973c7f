"""A process changes over to another version when that has got as far, and cuts nobody off."""

import asyncio
from contextlib import asynccontextmanager
from itertools import count

import pytest

from events.database import connect_pool
from projections.live.checkpoints import Checkpoints
from projections.read_models.executions import read
from projections.registry import shapes
from projections.serving import version_router as readings
from projections.serving.version_router import Reading
from tests.projections.test_registry import _create_second
from tests.waiting import until

FLIP = "update projections.registry set serving_version = 2, previous_version = 1 where name = $1"
PLACE = (
    "update projections.checkpoints set position = $1, state = 'running'"
    " where name = 'executions' and version = $2"
)


@asynccontextmanager
async def _reading(ledger):
    looks = await connect_pool(ledger.url, max_size=2)
    reading = Reading(ledger.url, looks, Checkpoints(looks), shapes())
    await reading.open()
    yield reading
    await reading.close()
    await looks.close()


async def test_it_changes_over_once_the_next_version_has_got_as_far_as_it_answered(
    ledger, monkeypatch
):
    monkeypatch.setattr(readings, "SWAP_S", 0.05)
    await _create_second(ledger)
    async with _reading(ledger) as reading:
        await ledger.pool.execute(PLACE, 7, 1)
        assert (await reading.ask(read.by_run_ids, [("acme", "none")])).position == 7
        await ledger.pool.execute(PLACE, 6, 2)
        await ledger.pool.execute(FLIP, "executions")
        with pytest.raises(TimeoutError):
            await reading._follow()
        assert (await reading.ask(read.by_run_ids, [("acme", "none")])).position == 7

        await ledger.pool.execute(PLACE, 8, 2)
        await reading._follow()
        assert (await reading.ask(read.by_run_ids, [("acme", "none")])).position == 8


async def test_readers_have_a_connection_in_the_order_in_which_they_came(ledger):
    asked, got = count(), []

    async def read_on(times):
        for _ in range(times):
            mine = next(asked)
            async with reading.connection() as connection:
                got.append(mine)
                await connection.fetchval("select 1")

    async with _reading(ledger) as reading:
        await asyncio.gather(*(read_on(1) for _ in range(30)))  # all connections are open
        got.clear()
        await asyncio.gather(*(read_on(10) for _ in range(30)))
    assert got == sorted(got)


async def test_a_read_under_way_ends_on_the_version_that_it_began_with(ledger):
    await _create_second(ledger)
    async with _reading(ledger) as reading:
        async with reading.connection() as connection:
            await ledger.pool.execute(PLACE, 0, 2)
            await ledger.pool.execute(FLIP, "executions")
            following = asyncio.create_task(reading._follow())
            await until(lambda: reading.version("executions").number == 2)
            await asyncio.sleep(0)
            assert await connection.fetchval("select position from executions_checkpoint") == 0
            assert not following.done()
        await following
