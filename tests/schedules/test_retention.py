"""Retention unlists all but the newest runs of a flow, once each; they stay readable by id."""

import asyncio
import secrets
import signal
import sys
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from events import types
from service.access import Origin
from service.errors import Unavailable
from service.runs.domain.commands import ReportedEvent, ReportEvents, StartRun
from service.runs.read.query_api import RunFilter
from service.runtime import ProcessRole
from service.schedules.retention import BATCH
from service.serving import serving
from service.settings import Settings
from tests.runs.processes import flow, register, retired, together
from tests.runs.story import CHAIN, TENANT

ORIGIN = Origin("ops", "api", "k-1")
FLOW = "example.KEPT"


def settings_of(url: str, **more) -> Settings:
    return Settings(database_url=url, secret_key=secrets.token_bytes(32), **more)


@pytest.fixture
async def services(database_url):
    """Opens services that apply the read models and do not run retention by themselves."""
    async with AsyncExitStack() as stack:

        async def one(**more):
            opening = serving(settings_of(database_url, **more), {ProcessRole.PROJECT})
            return (await stack.enter_async_context(opening))[0]

        yield one


@pytest.fixture
async def service(services):
    return await services()


async def register_flow(service, offset, *, name="KEPT", version=1, **more):
    """Register a flow with a retention offset; None: without one."""
    definition = {"tasks": ["A"]} | ({} if offset is None else {"retention": {"offset": offset}})
    event = flow(name, CHAIN, executor="external", definition=definition, version=version, **more)
    await register(service.log, event)
    await service.catalogue.refresh(TENANT)


async def run(service, fullname=FLOW):
    outcome = await service.writer.submit(StartRun(TENANT, ORIGIN, fullname))
    return outcome.run_id


async def end(service, run_id):
    event = ReportedEvent("end", types.RUN_FAILED, None, {"reason": "error"})
    await service.writer.submit(ReportEvents(TENANT, ORIGIN, run_id, (event,)), internal=True)


async def ended_runs(service, count, fullname=FLOW):
    run_ids = [await run(service, fullname) for _ in range(count)]
    await asyncio.gather(*(end(service, run_id) for run_id in run_ids))
    return run_ids


async def unlist_all(service):
    """Unlist until nothing is left; returns the number of batches."""
    head = await service.log.head()
    await service.log_io.feed.wait_for(head, 10)
    await service.positions.wait_for("listings", head)
    batches = 1
    while await service.schedules.retention.unlist_batch() != "done":
        batches += 1
    return batches


async def listed(service, fullname=FLOW):
    page = await service.queries.page(TENANT, fullname, 0, 10_000)
    assert page.total == len(page.rows)
    return [row["run_id"] for row in page.rows]


async def unlisted(service):
    events = await service.log.read(0, 100_000)
    return Counter(
        types.run_id_of(event.stream) for event in events if event.type == types.RUN_UNLISTED
    )


async def test_all_but_the_newest_runs_leave_every_list_and_stay_readable(service):
    await register_flow(service, 2)
    runs = await ended_runs(service, 5)
    await unlist_all(service)
    assert await listed(service) == runs[:2:-1]
    assert await listed(service, None) == runs[:2:-1]
    scan = await service.queries.scan(TENANT, RunFilter(fullname=FLOW), before=None, limit=9)
    assert [row["run_id"] for row in scan.rows] == runs[:2:-1]
    gone = await service.queries.workflow(TENANT, runs[0])
    assert (gone["status"], gone["run_id"]) == ("failed", runs[0])
    [*_, last] = await service.queries.history(TENANT, runs[0], after=0, limit=9)
    assert (last.type, last.data) == (types.RUN_UNLISTED, {"offset": 2})
    assert (last.actor, last.metadata) == ("ledger", {"source": "retention"})


async def test_unfinished_run_stays_listed_until_it_has_ended(service):
    await register_flow(service, 1)
    old = await run(service)
    newer = await ended_runs(service, 2)
    await unlist_all(service)
    assert await listed(service) == [newer[1], old]
    await end(service, old)
    await unlist_all(service)
    assert await listed(service) == [newer[1]]


@pytest.mark.parametrize(
    ("offset", "default", "remaining"),
    [(-1, 1, 4), (None, -1, 4), (None, 1, 1), (3, 1, 3), (0, -1, 0)],
)
async def test_retention_is_the_flows_or_else_the_setting(services, offset, default, remaining):
    service = await services(retention_offset=default)
    await register_flow(service, offset)
    await ended_runs(service, 4)
    await unlist_all(service)
    assert len(await listed(service)) == remaining


async def test_each_flow_has_its_own_retention(service):
    await register_flow(service, 1)
    await register_flow(service, 3, name="OTHER", number=2)
    await register_flow(service, None, name="ALL", number=3)
    for fullname in (FLOW, "example.OTHER", "example.ALL"):
        await ended_runs(service, 4, fullname)
    await unlist_all(service)
    kept = Counter(
        row["fullname"] for row in (await service.queries.page(TENANT, None, 0, 99)).rows
    )
    assert kept == {FLOW: 1, "example.OTHER": 3, "example.ALL": 4}


async def test_nothing_is_unlisted_while_the_lists_lag(database_url):
    async with serving(settings_of(database_url), set()) as (service, _):
        await register_flow(service, 1)
        await ended_runs(service, 3)
        await service.log_io.feed.wait_for(await service.log.head(), 10)
        with pytest.raises(Unavailable, match="listings is not yet at position"):
            await service.schedules.retention.unlist_batch()
        assert await unlisted(service) == {}


async def test_runs_of_a_retired_flow_stay_listed(service):
    await register_flow(service, 1)
    runs = await ended_runs(service, 3)
    await register(service.log, retired("KEPT"))
    await service.catalogue.refresh(TENANT)
    await unlist_all(service)
    assert await listed(service) == runs[::-1]


async def test_unlisted_runs_stay_unlisted_when_retention_grows(service):
    await register_flow(service, 1)
    await ended_runs(service, 3)
    await unlist_all(service)
    await register_flow(service, 3, version=2)
    await unlist_all(service)
    assert len(await listed(service)) == 1
    await ended_runs(service, 4)
    await unlist_all(service)
    assert len(await listed(service)) == 3


async def test_concurrent_processes_unlist_each_run_once(services):
    one, two = await services(), await services()
    await register_flow(one, 1)
    await two.catalogue.refresh(TENANT)
    runs = await ended_runs(one, 40)
    for service in (one, two):
        await service.log_io.feed.wait_for(await one.log.head(), 10)
    answers = await together(
        one.schedules.retention.unlist_batch(), two.schedules.retention.unlist_batch()
    )
    assert set(answers) <= {"done", "locked"}
    await unlist_all(two)
    assert await unlisted(one) == dict.fromkeys(runs[:-1], 1)
    assert await listed(two) == [runs[-1]]


async def test_processes_without_the_lock_still_unlist_each_run_once(services):
    one, two = await services(), await services()
    await register_flow(one, 1)
    await two.catalogue.refresh(TENANT)
    runs = await ended_runs(one, 20)
    kept = [(TENANT, FLOW, 1)]
    for service in (one, two):
        await service.positions.wait_for("listings", await one.log.head())
    answers = await together(
        one.schedules.retention._unlist(kept), two.schedules.retention._unlist(kept)
    )
    assert answers == ["done", "done"]
    assert await unlisted(one) == dict.fromkeys(runs[:-1], 1)


async def test_long_backlog_leaves_in_batches_and_pages_and_counts_stay_right(
    service,
):
    await register_flow(service, None)
    await register_flow(service, None, name="OTHER", number=2)
    # More of the flow's than a block of its list: its newest do not end where they begin.
    kinds = [FLOW, FLOW, "example.OTHER", FLOW, FLOW]
    started = [(kind, await run(service, kind)) for _ in range(275) for kind in kinds]
    running = {run_id for _, run_id in started[::101]}
    await asyncio.gather(*(end(service, r) for _, r in started if r not in running))
    await register_flow(service, 400, version=2)
    mine = [run_id for kind, run_id in started if kind == FLOW]
    stay = {*mine[-400:], *running}
    leave = [run_id for run_id in mine if run_id not in stay]
    await service.log_io.feed.wait_for(await service.log.head(), 10)
    assert await service.schedules.retention.unlist_batch() == "more"
    assert set(await unlisted(service)) == set(leave[:BATCH])  # the oldest first
    assert await unlist_all(service) == len(leave[BATCH:]) // BATCH + 1
    everything = [r for kind, r in reversed(started) if kind != FLOW or r in stay]
    assert await listed(service, None) == everything
    assert await listed(service) == [run_id for run_id in reversed(mine) if run_id in stay]
    for offset in (0, 1, 399, 400, 401, 650, len(everything) - 3, len(everything)):
        page = await service.queries.page(TENANT, None, offset, 7)
        assert page.total == len(everything)
        assert [row["run_id"] for row in page.rows] == everything[offset : offset + 7]


@pytest.mark.parametrize(
    "point",
    [
        "before events.store.Log.append 1",
        "after events.store.Log.append 1",
        "after service.schedules.retention.Retention.unlist_batch 1",
    ],
)
async def test_process_killed_at_any_step_leaves_each_run_unlisted_once(
    service, database_url, point
):
    await register_flow(service, 1)
    runs = await ended_runs(service, 30)
    await service.positions.wait_for("listings", await service.log.head())
    module = ("tests.kit.crash_points", point, "tests.schedules.unlist_batch")
    killed = await asyncio.create_subprocess_exec(sys.executable, "-m", *module, database_url)
    assert await killed.wait() == -signal.SIGKILL
    await unlist_all(service)
    assert await unlisted(service) == dict.fromkeys(runs[:-1], 1)
    assert await listed(service) == [runs[-1]]


async def test_ended_runs_are_unlisted_without_a_call(database_url):
    settings = settings_of(database_url, retention_offset=1, port=0)
    async with serving(settings) as (service, _):
        await register_flow(service, None)
        runs = await ended_runs(service, 4)
        async with asyncio.timeout(30):
            while await listed(service) != [runs[-1]]:  # noqa: ASYNC110 - by other tasks
                await asyncio.sleep(0.02)
        assert await unlisted(service) == dict.fromkeys(runs[:-1], 1)
