"""A due time starts one run, despite concurrency, kills, downtime and stale catalogues."""

import asyncio
import signal
import sys
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from service.flows.schedule import schedule_of
from service.runs.domain.run_creation import format_due_at
from service.schedules.last_fired import LastFired
from service.schedules.scheduler import MAX_WAIT_S, scheduled_flows
from tests import postgres
from tests.runs.processes import SCHEMA, claim, report_events, together
from tests.runs.story import TENANT
from tests.schedules.scheduler_process import HOUR, FakeClock, new_scheduler, open_scheduler_process

SECOND = timedelta(seconds=1)


@asynccontextmanager
async def held_log(url: str):
    """Lock the log, so that every append waits."""
    holder = await asyncpg.connect(url)
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM log.head FOR UPDATE")
            yield
    finally:
        await holder.close()


async def test_each_due_time_starts_one_run_in_three_concurrent_processes(nodes):
    some = await nodes(3)
    await some[0].register()
    for other in some[1:]:
        await other.process.catalogue.refresh(TENANT)
    dues = []
    for _ in range(12):
        dues.append(format_due_at(some[0].clock.advance_to_hour()))
        answers = await together(*(each.scheduler.start_all_due() for each in some))
        assert not [answer for answer in answers if isinstance(answer, BaseException)]
    assert await some[0].due_times() == dues
    outcomes = sum((each.outcomes for each in some), start=type(some[0].outcomes)())
    assert outcomes["started"] == 12
    assert set(outcomes) <= {"started", "repeated"}


async def test_scheduled_run_records_its_trigger_and_due_time(node):
    await node.register(periodic={"interval": 3600, "payload": {"full": False}})
    due = node.clock.advance_to_hour()
    assert await node.scheduler.start_all_due() == MAX_WAIT_S
    [event] = await node.scheduled_starts()
    assert event.actor == event.data["started_by"] == "schedule"
    assert event.metadata == {"source": "schedule"}
    assert event.data["payload"] == {"full": False}
    assert event.data["schedule"] == {"due_at": format_due_at(due), "late_s": 0, "missed": 0}


async def test_due_time_before_the_registration_is_not_started(node):
    await node.register(periodic={"crontab": "0 * * * *"})
    await node.scheduler.start_all_due()
    assert await node.scheduled_starts() == []


async def test_scheduler_waits_until_the_next_due_time(node):
    assert await node.scheduler.start_all_due() == MAX_WAIT_S
    await node.register()
    await node.scheduler.start_all_due()
    node.clock.advance_to_hour(past=-5 * SECOND)
    assert await node.scheduler.start_all_due() == 5
    assert await node.scheduled_starts() == []


async def test_after_downtime_only_the_latest_missed_due_time_is_started(node):
    await node.register()
    first = node.clock.advance_to_hour()
    await node.scheduler.start_all_due()
    latest = node.clock.advance_to_hour(5, past=90 * SECOND)
    again = new_scheduler(node.process, node.clock, node.outcomes)
    await again.start_all_due()
    await again.start_all_due()
    assert [event.data["schedule"] for event in await node.scheduled_starts()] == [
        {"due_at": format_due_at(first), "late_s": 0, "missed": 0},
        {"due_at": format_due_at(latest), "late_s": 90, "missed": 4},
    ]


async def test_missed_count_is_unknown_without_a_last_fired_row(node):
    await node.register()
    node.clock.advance_to_hour(3)
    await node.scheduler.start_all_due()
    [event] = await node.scheduled_starts()
    assert event.data["schedule"]["missed"] is None


async def test_due_time_refused_by_a_busy_exclusive_flow_is_not_retried(node):
    process = node.process
    await node.register(exclusive=True)
    busy = await process.start("example.DUE")
    node.clock.advance_to_hour()
    await node.scheduler.start_all_due()
    assert node.outcomes == {"refused": 1}
    await process.writer.submit(claim(busy.run_id))
    await process.writer.submit(
        report_events(busy.run_id, ("RunFailed", None), worker="w1", epoch=1), internal=True
    )
    again = new_scheduler(process, node.clock, node.outcomes)
    node.clock.now += 60 * SECOND
    await again.start_all_due()
    assert await node.scheduled_starts() == []
    due = node.clock.advance_to_hour()
    await again.start_all_due()
    assert await node.due_times() == [format_due_at(due)]
    last_fired = await node.last_fired.read([(TENANT, "example.DUE")])
    assert [(m.due_at, m.outcome) for m in last_fired.values()] == [(due, "started")]


async def test_invalid_payload_is_refused_without_delaying_other_flows(node):
    await node.register("PICKY", payload_schema=SCHEMA)
    await node.register("OTHER")
    node.clock.advance_to_hour()
    await node.scheduler.start_all_due()
    assert [event.data["flow"] for event in await node.scheduled_starts()] == ["example.OTHER"]
    last_fired = await node.last_fired.read([(TENANT, "example.PICKY")])
    [refused] = last_fired.values()
    assert refused.outcome == "refused"
    assert "'rows' is a required property" in refused.reason


async def test_crash_in_one_start_does_not_delay_other_flows(node):
    await node.register("BROKEN", payload_schema="{")
    await node.register("OTHER")
    node.clock.advance_to_hour()
    assert await node.scheduler.start_all_due() == 1
    assert [event.data["flow"] for event in await node.scheduled_starts()] == ["example.OTHER"]
    assert node.outcomes == {"started": 1, "delayed": 1}


async def test_scheduler_recovers_when_the_database_comes_back(own_cluster, caplog):
    await postgres.migrate_whole(own_cluster.url)
    async with open_scheduler_process(own_cluster.url, FakeClock()) as node:
        await node.register()
        due = node.clock.advance_to_hour(past=-60 * SECOND)
        running = asyncio.create_task(node.scheduler.run())
        await asyncio.to_thread(own_cluster.kill)
        node.clock.now = due
        node.scheduler.notify()
        async with asyncio.timeout(30):
            while "wait" not in caplog.text:  # noqa: ASYNC110 - it has noticed
                await asyncio.sleep(0.01)
            await asyncio.to_thread(own_cluster.start)
            while not node.outcomes["started"]:
                await asyncio.sleep(0.01)
                node.clock.now += SECOND / 100
        running.cancel()
        assert await node.due_times() == [format_due_at(due)]


async def test_changed_schedule_applies_at_once_and_retired_flow_is_never_due(node):
    await node.register()
    await node.scheduler.start_all_due()
    await node.register(version=2, periodic={"interval": 1800})
    node.clock.advance_to_hour(past=30 * 60 * SECOND)
    await node.scheduler.start_all_due()
    [event] = await node.scheduled_starts()
    assert event.data["flow_version"] == 2
    assert event.data["schedule"]["due_at"] == format_due_at(node.clock.now)
    await node.retire()
    node.clock.advance_to_hour()
    assert await node.scheduler.start_all_due() == MAX_WAIT_S
    assert len(await node.scheduled_starts()) == 1


async def test_change_of_another_option_keeps_due_since(node):
    await node.register()
    since = node.process.catalogue.for_tenant(TENANT).due_since["example.DUE"]
    await node.register(version=2, periodic={"interval": 3600, "payload": {"rows": 1}})
    assert node.process.catalogue.for_tenant(TENANT).due_since["example.DUE"] == since
    await node.retire()
    await node.register(version=3)
    assert node.process.catalogue.for_tenant(TENANT).due_since["example.DUE"] > since


async def test_process_with_a_stale_catalogue_does_not_start_by_the_old_schedule(nodes):
    node, other_node = await nodes(2)
    await node.register()
    await other_node.process.catalogue.refresh(TENANT)
    await other_node.scheduler.start_all_due()
    new_year = {"crontab": "0 0 1 1 *"}
    await node.register(version=2, periodic=new_year)
    node.clock.advance_to_hour(past=SECOND)
    await other_node.scheduler.start_all_due()
    assert other_node.outcomes == {"delayed": 1}
    await other_node.scheduler.start_all_due()  # now it has read them
    assert await node.scheduled_starts() == []
    node.clock.now = schedule_of(new_year).after(node.clock.now)
    await other_node.scheduler.start_all_due()
    assert [event.data["flow_version"] for event in await node.scheduled_starts()] == [2]


async def test_start_is_retried_until_the_log_accepts_it(node, database_url):
    await node.register()
    due = node.clock.advance_to_hour()
    async with held_log(database_url):
        assert await node.scheduler.start_all_due() == 1
        node.clock.now += SECOND
        assert await node.scheduler.start_all_due() == 2
    assert node.outcomes == {"delayed": 2}
    node.clock.now += SECOND
    assert await node.scheduler.start_all_due() == 1  # not before its time
    node.clock.now += SECOND
    await node.scheduler.start_all_due()
    assert await node.due_times() == [format_due_at(due)]


async def test_delayed_start_is_replaced_by_the_next_due_time(node, database_url):
    await node.register(periodic={"interval": 2})
    async with held_log(database_url):
        node.clock.advance_to_hour()
        await node.scheduler.start_all_due()
    node.clock.now += 2 * SECOND
    await node.scheduler.start_all_due()
    assert await node.due_times() == [format_due_at(node.clock.now)]


@pytest.mark.parametrize(
    "point",
    [
        "before service.runs.write.writer.Writer.submit 1",
        "after events.store.Log.append 1",
        "after service.runs.write.writer.Writer.submit 1",
        "after service.schedules.last_fired.LastFiredTable.record 1",
    ],
)
async def test_due_time_of_a_killed_process_is_started_once_by_another(node, database_url, point):
    await node.register()
    due = node.clock.advance_to_hour()
    module = ("tests.kit.crash_points", point, "tests.schedules.scheduler_process")
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *module, database_url, due.isoformat()
    )
    assert await killed.wait() == -signal.SIGKILL
    await node.scheduler.start_all_due()
    assert await node.due_times() == [format_due_at(due)]


async def test_clock_set_back_starts_nothing_twice(node):
    await node.register()
    due = node.clock.advance_to_hour()
    await node.scheduler.start_all_due()
    node.clock.now -= 2 * HOUR
    again = new_scheduler(node.process, node.clock, node.outcomes)
    await again.start_all_due()
    node.clock.now = due
    await again.start_all_due()
    assert await node.due_times() == [format_due_at(due)]


async def test_schedule_goes_on_after_a_clock_that_was_hours_ahead_was_set_back(node):
    await node.register()
    first = node.clock.advance_to_hour()
    await node.scheduler.start_all_due()
    ahead = node.clock.advance_to_hour(3)  # the jump: the latest of three is started
    await node.scheduler.start_all_due()
    node.clock.now = first + 60 * SECOND
    await node.scheduler.start_all_due()
    due = [node.clock.advance_to_hour() for _ in range(1)]
    await node.scheduler.start_all_due()
    again = new_scheduler(node.process, node.clock, node.outcomes)
    await again.start_all_due()
    due.append(node.clock.advance_to_hour())
    await again.start_all_due()
    assert node.clock.advance_to_hour() == ahead
    await again.start_all_due()
    expected = [first, ahead, *due]
    assert sorted(await node.due_times()) == sorted(map(format_due_at, expected))
    assert node.outcomes == {"started": 4, "repeated": 2}


async def test_flow_registered_while_the_clock_is_behind_the_log_is_due_from_then_on(
    node, monkeypatch
):
    await node.register()
    [entry] = node.process.catalogue.all_tenants
    since = entry.due_since["example.DUE"]
    node.clock.now = since - 5 * HOUR  # the log's time is five hours ahead of the clock
    await node.scheduler.start_all_due()
    assert await node.due_times() == []
    due = node.clock.advance_to_hour()
    await node.scheduler.start_all_due()
    assert await node.due_times() == [format_due_at(due)]


async def test_late_record_of_an_earlier_due_time_changes_nothing(node):
    key, now = (TENANT, "example.DUE"), node.clock.now
    for fired in (
        LastFired(now, "refused", "busy"),
        LastFired(now - HOUR, "started"),
        LastFired(now, "started"),
    ):
        await node.last_fired.record(key, fired, now)
    assert await node.last_fired.read([key]) == {key: LastFired(now, "refused", "busy")}


async def test_clients_idempotency_key_never_collides_with_a_schedules(node):
    await node.register()
    due = format_due_at(node.clock.advance_to_hour())
    key = f"schedule/example.DUE/{due}"
    await node.process.start("example.DUE", idempotency_key=key)
    await node.scheduler.start_all_due()
    assert await node.due_times() == [due]


async def test_invalid_schedule_of_an_older_release_is_skipped(node):
    await node.register(periodic={"interval": 0.001})
    assert scheduled_flows({}, node.process.catalogue) == {}


async def test_flows_of_the_same_name_in_two_tenants_are_independent(node):
    await node.register()
    # The last due time of another tenant has no effect.
    await node.process.pool.execute(
        "INSERT INTO schedules.last_fired (tenant, fullname, due_at, outcome, reason)"
        " VALUES ('other', 'example.DUE', '2100-01-01', 'started', '')"
    )
    due = node.clock.advance_to_hour()
    await node.scheduler.start_all_due()
    assert await node.due_times() == [format_due_at(due)]
