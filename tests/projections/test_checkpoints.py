"""Waiting for read models: woken at once by this process, soon by others, never by a paused one."""

import asyncio

import pytest

from events.errors import LogUnavailable
from projections.errors import UnknownProjection
from projections.live.checkpoints import Checkpoints
from projections.registry import discover
from tests.projections.conftest import NAMES, first
from tests.projections.histories import History
from tests.waiting import until

TWO = ("executions", "listings")
SECOND_VERSION = """
with made as (
    insert into projections.checkpoints (name, version, position, state, schema_version)
    select name, 2, 9, state, schema_version from projections.checkpoints where name = 'executions'
)
update projections.registry set serving_version = 2 where name = 'executions'
"""


class Applied:
    """A runner that has applied what a test says."""

    def __init__(self, **positions: int) -> None:
        self.positions = {f"{name}_v1": at for name, at in positions.items()}
        self.callbacks = []

    def on_advance(self, callback) -> None:
        self.callbacks.append(callback)

    def advance(self, name: str, position: int) -> None:
        for callback in self.callbacks:
            callback(f"{name}_v1", position)


@pytest.fixture
def runner():
    return Applied(executions=5, listings=5)


def _serving(ledger, runner) -> Checkpoints:
    checkpoints = Checkpoints(ledger.read, runner)
    checkpoints.pin_versions({each.name: first(each) for each in discover()})
    return checkpoints


async def _moved(ledger, name, position, state="running"):
    await ledger.pool.execute(
        "update projections.checkpoints set position = $2, state = $3 where name = $1",
        name,
        position,
        state,
    )


async def test_reached_position_needs_no_wait(ledger, runner):
    checkpoints = _serving(ledger, runner)

    assert await checkpoints.wait(5, TWO, 0)


async def test_last_read_model_to_reach_the_position_wakes_the_waiter(ledger, runner):
    checkpoints = _serving(ledger, runner)
    waiter = asyncio.create_task(checkpoints.wait(7, TWO, 30))
    await asyncio.sleep(0)
    runner.advance("executions", 8)
    await asyncio.sleep(0)
    assert not waiter.done()
    runner.advance("listings", 7)

    assert await waiter


async def test_wait_returns_false_after_the_timeout(ledger, runner):
    assert not await Checkpoints(ledger.read, runner).wait(6, TWO, 0.02)


async def test_events_applied_by_another_process_wake_the_waiter(ledger):
    checkpoints = Checkpoints(ledger.read)
    waiters = [asyncio.create_task(checkpoints.wait(n, TWO, 30)) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    for name in TWO:
        await _moved(ledger, name, 3)

    assert await asyncio.gather(*waiters) == [True, True, True]


class Slow:
    """A pool whose answers come when the test lets them."""

    def __init__(self, pool) -> None:
        self.pool = pool
        self.read, self.let = asyncio.Event(), asyncio.Event()

    async def fetch(self, query):
        rows = await self.pool.fetch(query)
        self.read.set()
        await self.let.wait()
        return rows


async def test_late_refresh_does_not_overwrite_a_newer_position(ledger, runner):
    """Rows that were read before this process moved on arrive when its waiter is woken already."""
    slow = Slow(ledger.read)
    checkpoints = Checkpoints(slow, runner)
    checkpoints.pin_versions({each.name: first(each) for each in discover()})
    await _moved(ledger, "executions", 5, "paused")
    looking = asyncio.create_task(checkpoints.refresh())
    await slow.read.wait()
    waiter = asyncio.create_task(checkpoints.wait(7, TWO, 30))
    await asyncio.sleep(0)
    runner.advance("executions", 7)
    runner.advance("listings", 7)
    slow.let.set()
    await looking

    assert await waiter
    assert not checkpoints.lagging(7, TWO)
    runner.advance("listings", 8)
    assert not await checkpoints.wait(8, TWO, 0.01)  # executions is not taken for a paused one


async def test_of_two_refreshes_the_later_rows_count(ledger):
    checkpoints = await _looked_twice(ledger, _moved(ledger, "executions", 9))

    assert not checkpoints.lagging(9, ["executions"])


async def test_of_two_refreshes_the_later_serving_version_counts(ledger):
    checkpoints = await _looked_twice(ledger, ledger.pool.execute(SECOND_VERSION))

    assert not checkpoints.lagging(9, ["executions"])


async def _looked_twice(ledger, change) -> Checkpoints:
    """Of two looks, one before and one after a change, the earlier comes back last."""
    slow = Slow(ledger.read)
    checkpoints = Checkpoints(slow)
    earlier = asyncio.create_task(checkpoints.refresh())
    await slow.read.wait()
    await change
    checkpoints._pool = ledger.read
    await checkpoints.refresh()
    slow.let.set()
    await earlier
    return checkpoints


async def test_paused_read_model_is_not_waited_for(ledger):
    checkpoints = Checkpoints(ledger.read)
    await _moved(ledger, "listings", 1, "paused")
    await _moved(ledger, "executions", 9)

    assert await checkpoints.wait(9, TWO, 30)


async def test_resumed_read_model_is_waited_for_again(ledger):
    checkpoints = Checkpoints(ledger.read)
    await _moved(ledger, "listings", 1, "paused")
    await _moved(ledger, "executions", 9)
    assert await checkpoints.wait(9, TWO, 30)
    await _moved(ledger, "listings", 1)
    await checkpoints.position("listings")

    assert not await checkpoints.wait(9, TWO, 0.02)


async def test_polling_stops_when_nobody_waits(ledger, runner):
    checkpoints = Checkpoints(ledger.read, runner)
    assert not await checkpoints.wait(9, TWO, 0.01)
    await until(checkpoints._poll.done)


async def test_cancelled_waiter_is_removed(ledger, runner):
    checkpoints = Checkpoints(ledger.read, runner)
    waiter = asyncio.create_task(checkpoints.wait(9, TWO, 30))
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)

    await until(lambda: not checkpoints._waiting)


async def test_a_position_is_read_from_the_database(ledger):
    await _moved(ledger, "executions", 4)

    assert await Checkpoints(ledger.read).position("executions") == 4


async def test_the_position_of_an_unknown_read_model_is_refused(ledger):
    with pytest.raises(UnknownProjection, match="nothing"):
        await Checkpoints(ledger.read).position("nothing")


async def test_writer_reads_its_own_write(ledger):
    history = History()
    history.register()
    await ledger.write(history)
    async with ledger.applying() as runner:
        checkpoints = Checkpoints(ledger.read, runner)
        for number in range(1, 30):
            history.queue(number)
            head = await ledger.write(history, after=number)
            assert await checkpoints.wait(head, NAMES, 30)
            assert await ledger.read.fetchval("select count(*) from executions") == number


async def test_waiter_survives_a_database_outage(ledger, runner):
    await ledger.read.close()
    checkpoints = _serving(ledger, runner)
    with pytest.raises(LogUnavailable):
        await checkpoints.position("executions")
    waiter = asyncio.create_task(checkpoints.wait(6, TWO, 30))
    await until(lambda: checkpoints._poll is not None)
    runner.advance("executions", 6)
    runner.advance("listings", 6)

    assert await waiter
