"""The outside lane: bounded, and fair to tenants."""

import asyncio

import pytest

from service.errors import (
    Overloaded,
)
from service.runs.write.admission import Lanes


async def test_outside_is_bounded_and_no_tenant_takes_more_than_half():
    lanes = Lanes(most_held=4, most_under_way=1)
    await lanes.enter("a")
    waiting = [asyncio.create_task(lanes.enter(tenant)) for tenant in ("a", "b", "b")]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await lanes.enter("c")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    second = asyncio.create_task(lanes.enter("a"))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await lanes.enter("a")
    second.cancel()


async def test_tenants_that_wait_are_let_in_in_turn():
    lanes, order = Lanes(most_under_way=1), []

    async def work(tenant):
        await lanes.enter(tenant)
        order.append(tenant)
        lanes.leave(tenant)

    await lanes.enter("first")
    tasks = [asyncio.create_task(work(tenant)) for tenant in "aaabbc"]
    await asyncio.sleep(0)
    lanes.leave("first")
    await asyncio.gather(*tasks)
    assert "".join(order) == "abcaba"


async def test_a_caller_that_goes_away_while_it_waits_gives_its_turn_to_the_next():
    lanes = Lanes(most_under_way=1)
    await lanes.enter("a")
    gone, next_one = (asyncio.create_task(lanes.enter(tenant)) for tenant in "ab")
    await asyncio.sleep(0)
    lanes.leave("a")
    gone.cancel()
    await next_one
    lanes.leave("b")
    assert lanes._held == lanes._under_way == 0
