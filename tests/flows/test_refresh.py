"""A flow that is not in memory is read from the log, by shared and spaced refreshes."""

import asyncio

import pytest

from events.errors import LogUnavailable
from service.access import Origin
from service.dialects.etlworks import DIALECT as ETLWORKS
from service.flows import catalogue as catalogues
from service.flows.catalogue import Catalogue
from service.flows.definitions import load_definitions
from service.flows.registration import register

TENANT, FLOW_ID = "acme", 1_000_000_001
ID = (TENANT, "etlworks", "flowId")


class CountingLog:
    """A log that counts reads of a stream, and can be unavailable."""

    def __init__(self, log):
        self._log = log
        self.reads = []
        self.unavailable = False

    async def read_stream(self, tenant, stream, after):
        self.reads.append(tenant)
        if self.unavailable:
            raise LogUnavailable
        return await self._log.read_stream(tenant, stream, after)


@pytest.fixture
def counted(log):
    return CountingLog(log)


@pytest.fixture
def catalogue(counted):
    """One process's catalogue."""
    return Catalogue(counted)


@pytest.fixture
def load(log, folder):
    """Register a flow in another process."""

    async def load():
        (folder / "flows.yaml").write_text("a.ONE:\n  tasks: [A]\n")
        await register(
            log,
            Catalogue(log),
            tenant=TENANT,
            definitions=load_definitions(folder),
            dialects=(ETLWORKS,),
            origin=Origin("ada", "cli"),
        )

    return load


@pytest.fixture
def pause(monkeypatch):
    """Sets the interval between refreshes."""
    return lambda seconds: monkeypatch.setattr(catalogues, "REFRESH_INTERVAL_S", seconds)


async def test_flow_registered_by_another_process_is_found(catalogue, load):
    assert await catalogue.look_up_by_id(*ID, FLOW_ID) is None
    await load()
    assert (await catalogue.look_up_by_id(*ID, FLOW_ID)).fullname == "a.ONE"


async def test_known_flow_costs_no_query(catalogue, counted, load):
    await load()
    await catalogue.refresh(TENANT)
    counted.reads.clear()
    assert await catalogue.look_up_by_id(*ID, FLOW_ID)
    assert counted.reads == []


async def test_many_unknown_flows_share_few_queries(catalogue, counted, pause):
    pause(0)
    found = await asyncio.gather(*(catalogue.look_up_by_id(*ID, n) for n in range(500)))
    assert found == [None] * 500
    assert counted.reads == [TENANT]


async def test_refreshes_are_an_interval_apart(catalogue, counted, pause):
    await catalogue.refresh_soon(TENANT)
    pause(3600)
    waiting = [asyncio.create_task(catalogue.refresh_soon(TENANT)) for _ in range(3)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert counted.reads == [TENANT]
    for each in waiting:
        each.cancel()
    catalogue._refreshes._task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_refresh_starts_after_it_was_requested(catalogue, counted, load, pause):
    """Who misses a flow while a look is under way gets the next one, not an answer of before."""
    pause(0)
    entered, go_on = asyncio.Event(), asyncio.Event()
    read = counted.read_stream

    async def held(*asked):
        events = await read(*asked)
        entered.set()
        await go_on.wait()
        return events

    counted.read_stream = held
    early = asyncio.create_task(catalogue.look_up_by_id(*ID, FLOW_ID))
    await entered.wait()
    await load()
    late = asyncio.create_task(catalogue.look_up_by_id(*ID, FLOW_ID))
    await asyncio.sleep(0)
    go_on.set()
    assert await early is None
    assert (await late).fullname == "a.ONE"


async def test_unavailable_log_is_an_error_and_not_an_unknown_flow(catalogue, counted, load, pause):
    pause(0)
    await load()
    counted.unavailable = True
    asked = await asyncio.gather(
        *(catalogue.look_up_by_id(*ID, FLOW_ID) for _ in range(3)), return_exceptions=True
    )
    assert [type(answer) for answer in asked] == [LogUnavailable] * 3
    counted.unavailable = False
    assert await catalogue.look_up_by_id(*ID, FLOW_ID)
