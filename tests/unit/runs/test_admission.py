"""Admission control of external commands: bounded, and fair to tenants."""

import asyncio

import pytest

from service.errors import Overloaded
from service.runs.write.admission import AdmissionControl


async def test_acquire_beyond_the_bound_or_half_of_it_for_one_tenant_is_overloaded():
    admission = AdmissionControl(max_admitted=4, max_in_flight=1)
    await admission.acquire("a")
    waiting = [asyncio.create_task(admission.acquire(tenant)) for tenant in ("a", "b", "b")]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await admission.acquire("c")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    second = asyncio.create_task(admission.acquire("a"))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await admission.acquire("a")
    second.cancel()


async def test_waiting_tenants_are_admitted_in_turn():
    admission, order = AdmissionControl(max_in_flight=1), []

    async def work(tenant):
        await admission.acquire(tenant)
        order.append(tenant)
        admission.release(tenant)

    await admission.acquire("first")
    tasks = [asyncio.create_task(work(tenant)) for tenant in "aaabbc"]
    await asyncio.sleep(0)
    admission.release("first")
    await asyncio.gather(*tasks)
    assert "".join(order) == "abcaba"


async def test_cancelled_waiter_passes_its_turn_to_the_next():
    admission = AdmissionControl(max_in_flight=1)
    await admission.acquire("a")
    gone, next_one = (asyncio.create_task(admission.acquire(tenant)) for tenant in "ab")
    await asyncio.sleep(0)
    admission.release("a")
    gone.cancel()
    await next_one
    admission.release("b")
    assert admission._admitted == admission._in_flight == 0
