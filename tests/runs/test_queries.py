"""What the log has is found, also while a read model is late or paused."""

import asyncio
import contextlib
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import pytest

from events.database import connect_pool
from projections.documents.lifecycle import RUN_ENDED
from service import app, lifecycle
from service.access import Origin
from service.errors import PositionAhead, PositionNotReached, Unavailable, UnknownRun
from service.flows.definitions import load_definitions
from service.flows.registration import register
from service.runs.domain.commands import CancelRun, StartRun
from service.runs.read import positions
from service.runs.read.query_api import RunFilter
from service.runtime import ProcessRole
from service.serving import serving
from service.settings import Settings
from tests import postgres

FLOWS = Path(__file__).parents[1] / "dialects" / "flows.yaml"
TENANT, FLOW = "default", "suite.ORDERS"
ORIGIN = Origin("ops", "api")
PATIENCE_S = 20
NEVER_S = 3600
"""A wait of so long is one that the test would not see the end of."""


class Process:
    """A service without doors, and what a test asks of it."""

    def __init__(self, service):
        self.service = service
        self.queries = service.queries
        self.positions = service.positions
        self.log = service.log

    async def submit(self, command):
        return await self.service.writer.submit(command)

    async def start(self, flow=FLOW, *, visible=False):
        outcome = await self.submit(StartRun(TENANT, ORIGIN, flow))
        if visible:
            await self.positions.wait_until_visible(outcome.position)
        return outcome

    async def end(self, outcome):
        return await self.submit(CancelRun(TENANT, ORIGIN, outcome.run_id, force=True))

    async def flow_number(self, flow=FLOW):
        return self.service.catalogue.find(TENANT, flow).number


async def no_listener():
    return


@contextlib.asynccontextmanager
async def opened(url, *parts):
    settings = Settings(database_url=url, secret_key=bytes(32), grace_s=0)
    async with app.compose(settings, parts) as service:
        await lifecycle.start(service)
        try:
            yield Process(service)
        finally:
            await lifecycle.stop(service, no_listener)


async def load_flows(url):
    async with opened(url, ProcessRole.PROJECT) as process:
        service = process.service
        await register(
            service.log,
            service.catalogue,
            tenant=TENANT,
            definitions=load_definitions(FLOWS),
            dialects=service.dialects,
            origin=ORIGIN,
        )
        await process.positions.wait_until_visible(await process.log.head())


@pytest.fixture(scope="module")
def loaded_template(postgres_run, template_database):
    """The name of a database with flows that the read models show."""
    with postgres.fresh_database(postgres_run, template_database) as url:
        asyncio.run(load_flows(url))
        yield urlsplit(url).path[1:]


@pytest.fixture
def loaded_url(postgres_run, loaded_template):
    with postgres.fresh_database(postgres_run, loaded_template) as url:
        yield url


@pytest.fixture
async def process(loaded_url):
    """A process whose read models follow the log."""
    async with opened(loaded_url, ProcessRole.API, ProcessRole.PROJECT) as process:
        yield process


@pytest.fixture
async def late(loaded_url):
    """A process beside which nobody applies the log to the read models."""
    async with opened(loaded_url, ProcessRole.API) as process:
        yield process


@pytest.fixture
async def pause(loaded_url):
    """Pause a read model, as one that cannot apply an event."""
    pool = await connect_pool(loaded_url, max_size=1)

    async def pause(name):
        paused = "update projections.checkpoints set state = 'paused' where name = $1"
        await pool.execute(paused, name)

    yield pause
    await pool.close()


@pytest.fixture
def waits(monkeypatch):
    """Set how long an answer waits for a read model: long where it must not, else a moment."""
    return lambda seconds: monkeypatch.setattr(positions, "CATCH_UP_TIMEOUT_S", seconds)


@pytest.fixture
def soon():
    """Ends a test that waits for what it must not wait for."""
    return lambda work: asyncio.wait_for(work, PATIENCE_S)


LOOK_UPS = ("execution", "workflow")


def by_number(process, outcome):
    return (
        process.queries.execution_by_number(TENANT, outcome.run_number),
        process.queries.load_plan(TENANT, outcome.run_number),
    )


# What is there


@pytest.mark.parametrize("look_up", LOOK_UPS)
async def test_run_after_a_start_is_as_queued_and_after_another_command_as_it_is_now(
    process, look_up
):
    outcome = await process.start(visible=True)
    show, read = (getattr(process.queries, name) for name in (f"{look_up}_after", look_up))
    began = await read(TENANT, outcome.run_id)
    ended = await process.end(outcome)
    await process.positions.wait_until_visible(ended.position)
    stands = await read(TENANT, outcome.run_id)
    assert (began["status"], stands["status"]) == ("queued", "cancelled")
    assert await show(TENANT, outcome) == began
    assert await show(TENANT, ended) == stands


async def test_visible_run_is_found_by_id_number_and_flow(process, soon):
    outcome = await process.start(visible=True)
    asked = process.queries
    found = [
        await asked.execution(TENANT, outcome.run_id),
        await asked.workflow(TENANT, outcome.run_id),
        await asked.execution_by_number(TENANT, outcome.run_number),
        await asked.latest_execution(TENANT, await process.flow_number()),
        (await asked.load_plan(TENANT, outcome.run_number))["run"],
        (await asked.page(TENANT, FLOW, 0, 1)).rows[0],
        (await asked.scan(TENANT, RunFilter(), before=None, limit=1)).rows[0],
    ]
    assert {run["run_id"] for run in found} == {outcome.run_id}


async def test_concurrent_look_ups_each_get_their_own_run(process):
    outcomes = [await process.start() for _ in range(20)]
    await process.positions.wait_until_visible(outcomes[-1].position)
    ids = [outcome.run_id for outcome in outcomes] * 5
    found = await asyncio.gather(*(process.queries.workflow(TENANT, each) for each in ids))
    assert [run["run_id"] for run in found] == ids


async def test_run_of_another_tenant_is_unknown(process):
    outcome = await process.start(visible=True)
    for read in (process.queries.execution, process.queries.workflow):
        with pytest.raises(UnknownRun):
            await read("elsewhere", outcome.run_id)
    for read in (process.queries.execution_by_number, process.queries.load_plan):
        with pytest.raises(UnknownRun):
            await read("elsewhere", outcome.run_number)
    with pytest.raises(UnknownRun):
        await process.queries.history("elsewhere", outcome.run_id, after=0, limit=1)


# What is not there


async def test_missing_run_is_unknown_at_once_if_the_read_model_is_at_the_head(late, waits, soon):
    waits(NEVER_S)
    for read in (late.queries.execution, late.queries.workflow):
        with pytest.raises(UnknownRun):
            await soon(read(TENANT, str(uuid4())))
    for read in (late.queries.execution_by_number, late.queries.load_plan):
        with pytest.raises(UnknownRun):
            await soon(read(TENANT, 77))
    with pytest.raises(UnknownRun):
        await soon(late.queries.latest_execution(TENANT, await late.flow_number()))
    assert late.service.read_models.checkpoints._poll is None, "nobody waited"


async def test_run_without_a_stream_is_unknown_although_the_read_model_is_late(late, waits, soon):
    waits(0.05)
    await late.start()
    for read in (late.queries.execution, late.queries.workflow):
        with pytest.raises(UnknownRun):
            await soon(read(TENANT, str(uuid4())))


# What is late


@pytest.mark.parametrize("read", LOOK_UPS)
async def test_run_that_no_read_model_shows_yet_is_folded_from_its_stream(late, waits, soon, read):
    waits(0.05)
    outcome = await late.start()
    await late.end(outcome)
    run = await soon(getattr(late.queries, read)(TENANT, outcome.run_id))
    assert (run["run_id"], run["status"]) == (outcome.run_id, "cancelled")
    assert read != "workflow" or len(run["tasks"]) == 2


async def test_run_folded_from_its_stream_equals_the_later_read_model_row(late, loaded_url, waits):
    waits(0.05)
    outcome = await late.start()
    folded = [await getattr(late.queries, read)(TENANT, outcome.run_id) for read in LOOK_UPS]
    waits(PATIENCE_S)
    async with opened(loaded_url, ProcessRole.PROJECT) as other:
        assert await other.positions.wait_for("executions", outcome.position)
        assert await other.positions.wait_for("workflows", outcome.position)
        shown = [await getattr(other.queries, read)(TENANT, outcome.run_id) for read in LOOK_UPS]
    assert folded == shown


async def test_look_up_by_number_is_unavailable_while_late(late, waits, soon):
    waits(0.05)
    for read in by_number(late, await late.start()):
        with pytest.raises(Unavailable, match="is late"):
            await soon(read)


async def test_missed_look_up_waits_for_the_read_model(late, loaded_url, waits, soon):
    waits(NEVER_S)
    outcome = await late.start()
    reads = (late.queries.workflow(TENANT, outcome.run_id), *by_number(late, outcome))
    waiting = [asyncio.create_task(read) for read in reads]
    async with opened(loaded_url, ProcessRole.PROJECT):
        run, execution, plan = await soon(asyncio.gather(*waiting))
    assert {run["run_id"], execution["run_id"], plan["run"]["run_id"]} == {outcome.run_id}


async def test_start_succeeds_although_the_read_models_are_late(loaded_url, waits):
    waits(0.05)
    settings = Settings(database_url=loaded_url, secret_key=bytes(32), port=0, grace_s=0)
    async with serving(settings, {ProcessRole.API}) as (service, address):
        key = await service.credentials.create(tenant=TENANT, role="operator", name="ops")
        headers = {"Authorization": f"Bearer {key.token}"}
        async with aiohttp.ClientSession(address, headers=headers) as client:
            async with client.post("/v1/runs", json={"flow": FLOW}) as response:
                run = await response.json()
                assert (response.status, run["status"]) == (201, "queued")
                assert response.headers["Flowledger-Position"] == str(run["position"])
            async with client.get(f"/v1/runs/{run['run_id']}") as response:
                assert await response.json() == run


# What is paused


@pytest.mark.parametrize(("read", "name"), [("execution", "executions"), ("workflow", "workflows")])
async def test_run_is_found_while_its_read_model_is_paused(process, pause, waits, soon, read, name):
    waits(NEVER_S)
    await pause(name)
    outcome = await process.start()
    run = await soon(getattr(process.queries, read)(TENANT, outcome.run_id))
    assert run["run_id"] == outcome.run_id


async def test_look_up_by_number_is_unavailable_while_paused(process, pause, waits, soon):
    waits(NEVER_S)
    await pause("executions")
    await pause("load_plans")
    for read in by_number(process, await process.start()):
        with pytest.raises(Unavailable, match="is late"):
            await soon(read)


async def test_start_does_not_wait_for_a_paused_read_model(process, pause, waits, soon):
    waits(NEVER_S)
    await pause("load_plans")
    outcome = await soon(process.start(visible=True))
    page = await process.queries.page(TENANT, FLOW, 0, 1)
    assert page.rows[0]["run_id"] == outcome.run_id


# A position that is asked for


async def test_required_position_is_visible_afterwards(process, waits, soon):
    waits(NEVER_S)
    outcome = await process.start()
    await soon(process.positions.require_position(outcome.position))
    page = await process.queries.page(TENANT, FLOW, 0, 1)
    assert page.rows[0]["run_id"] == outcome.run_id


async def test_required_position_that_is_known_to_be_reached_costs_no_query(process, monkeypatch):
    outcome = await process.start(visible=True)
    monkeypatch.setattr(process.positions, "_log", None)
    await process.positions.require_position(outcome.position)


async def test_required_position_beyond_the_head_is_refused_at_once(late, waits, soon):
    waits(NEVER_S)
    with pytest.raises(PositionAhead):
        await soon(late.positions.require_position(await late.log.head() + 1))


async def test_required_position_that_is_not_reached_in_time_raises(late, waits, soon):
    waits(0.05)
    outcome = await late.start()
    with pytest.raises(PositionNotReached, match="executions"):
        await soon(late.positions.require_position(outcome.position))


async def test_required_position_raises_while_a_read_model_is_paused(process, pause, waits, soon):
    waits(NEVER_S)
    await pause("load_plans")
    outcome = await process.start()
    with pytest.raises(PositionNotReached, match=r": load_plans$"):
        await soon(process.positions.require_position(outcome.position))


async def test_required_position_applied_by_another_process_is_reached(
    late, loaded_url, waits, soon
):
    waits(NEVER_S)
    outcome = await late.start()
    reaching = asyncio.create_task(late.positions.require_position(outcome.position))
    async with opened(loaded_url, ProcessRole.PROJECT):
        await soon(reaching)


# The end of a run


async def until(condition):
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)


async def watched(process, run_id):
    """Wait until somebody watches for a run's end."""
    await until(lambda: run_id in process.service.run_completion._waiting)


async def test_all_callers_that_wait_for_an_end_get_it(process, soon):
    outcome = await process.start(visible=True)
    waiting = [
        asyncio.create_task(process.queries.wait_until_ended(TENANT, outcome.run_id))
        for _ in range(20)
    ]
    await watched(process, outcome.run_id)
    await process.end(outcome)
    runs = await soon(asyncio.gather(*waiting))
    assert {run["status"] for run in runs} == {"cancelled"}


async def test_wait_for_a_run_that_has_ended_returns_at_once(process, soon):
    outcome = await process.start()
    await process.positions.wait_until_visible((await process.end(outcome)).position)
    run = await soon(process.queries.wait_until_ended(TENANT, outcome.run_id))
    assert run["status"] in RUN_ENDED


async def test_wait_for_an_unknown_run_raises_at_once(process, soon):
    with pytest.raises(UnknownRun):
        await soon(process.queries.wait_until_ended(TENANT, str(uuid4())))


async def test_cancelled_wait_leaves_no_watcher_and_cancels_no_other(process, soon):
    outcome = await process.start(visible=True)
    stays, leaves = (
        asyncio.create_task(process.queries.wait_until_ended(TENANT, outcome.run_id))
        for _ in range(2)
    )
    await watched(process, outcome.run_id)
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    await process.end(outcome)
    assert (await soon(stays))["status"] == "cancelled"
    assert not process.service.run_completion._waiting


async def test_wait_finds_an_end_that_the_late_read_model_does_not_show_yet(
    process, pause, waits, soon
):
    """The end is in the log and has been looked past; only the read model does not show it yet."""
    waits(NEVER_S)
    outcome = await process.start(visible=True)
    await pause("executions")
    end = await process.end(outcome)
    await until(lambda: process.service.run_completion.position >= end.position)
    assert (await soon(process.queries.wait_until_ended(TENANT, outcome.run_id)))[
        "status"
    ] == "cancelled"


async def test_wait_for_an_end_returns_while_the_read_model_is_paused(process, pause, waits, soon):
    waits(NEVER_S)
    outcome = await process.start(visible=True)
    await pause("executions")
    waiting = asyncio.create_task(process.queries.wait_until_ended(TENANT, outcome.run_id))
    await watched(process, outcome.run_id)
    await process.end(outcome)
    assert (await soon(waiting))["status"] == "cancelled"


# History


async def test_history_is_read_after_a_version(process):
    outcome = await process.start()
    await process.end(outcome)
    whole = await process.queries.history(TENANT, outcome.run_id, after=0, limit=100)
    assert [event.version for event in whole] == list(range(1, len(whole) + 1))
    second = await process.queries.history(TENANT, outcome.run_id, after=1, limit=1)
    assert list(second) == [whole[1]]
    beyond = await process.queries.history(TENANT, outcome.run_id, after=len(whole), limit=1)
    assert list(beyond) == []


@pytest.mark.parametrize("after", [0, 3])
async def test_history_of_an_unknown_run_raises(process, after):
    with pytest.raises(UnknownRun):
        await process.queries.history(TENANT, str(uuid4()), after=after, limit=1)
