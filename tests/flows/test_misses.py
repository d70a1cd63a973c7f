"""A flow that memory lacks is looked for in the log: by all who miss one together, now and then."""

import asyncio

import pytest

from events.errors import LogUnavailable
from service.dialects.etlworks import DIALECT as ETLWORKS
from service.flows import catalogue as catalogues
from service.flows.catalogue import Catalogue
from service.flows.definitions import load_definitions
from service.flows.registration import register
from service.origin import Origin

TENANT, FLOW_ID = "acme", 1_000_000_001
ID = (TENANT, "etlworks", "flowId")


class Counted:
    """A log that counts how often a stream is read, and may be away."""

    def __init__(self, log):
        self._log = log
        self.reads = []
        self.away = False

    async def read_stream(self, tenant, stream, after):
        self.reads.append(tenant)
        if self.away:
            raise LogUnavailable
        return await self._log.read_stream(tenant, stream, after)


@pytest.fixture
def counted(log):
    return Counted(log)


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
    """Set how far apart two looks are."""
    return lambda seconds: monkeypatch.setattr(catalogues, "REFRESH_INTERVAL_S", seconds)


async def test_a_flow_that_another_process_registered_is_found(catalogue, load):
    assert await catalogue.look_up_by_id(*ID, FLOW_ID) is None
    await load()
    assert (await catalogue.look_up_by_id(*ID, FLOW_ID)).fullname == "a.ONE"


async def test_a_known_flow_costs_no_query(catalogue, counted, load):
    await load()
    await catalogue.refresh(TENANT)
    counted.reads.clear()
    assert await catalogue.look_up_by_id(*ID, FLOW_ID)
    assert counted.reads == []


async def test_a_flood_of_unknown_flows_is_no_flood_of_queries(catalogue, counted, pause):
    pause(0)
    found = await asyncio.gather(*(catalogue.look_up_by_id(*ID, n) for n in range(500)))
    assert found == [None] * 500
    assert counted.reads == [TENANT]


async def test_between_two_looks_lies_a_pause(catalogue, counted, pause):
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


async def test_a_look_begins_after_it_was_asked_for(catalogue, counted, load, pause):
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


async def test_a_log_that_is_away_denies_no_flow(catalogue, counted, load, pause):
    pause(0)
    await load()
    counted.away = True
    asked = await asyncio.gather(
        *(catalogue.look_up_by_id(*ID, FLOW_ID) for _ in range(3)), return_exceptions=True
    )
    assert [type(answer) for answer in asked] == [LogUnavailable] * 3
    counted.away = False
    assert await catalogue.look_up_by_id(*ID, FLOW_ID)
