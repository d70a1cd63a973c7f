"""A due time starts a run once: whoever fires, is killed, comes late, or has old news."""

import asyncio
import signal
import sys
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from service.flows.schedule import schedule_of
from service.runs.domain.run_creation import format_due_at
from service.schedules.last_fired import Mark
from service.schedules.scheduler import LOOK_S, follow
from tests import postgres
from tests.runs.processes import SCHEMA, claim, report_events, together
from tests.runs.story import TENANT
from tests.schedules.clockwork import HOUR, Hands, new_scheduler, open_clockwork

SECOND = timedelta(seconds=1)


@asynccontextmanager
async def held_log(url: str):
    """Hold the log: no append has its turn."""
    holder = await asyncpg.connect(url)
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM log.head FOR UPDATE")
            yield
    finally:
        await holder.close()


async def test_of_three_processes_that_fire_together_one_starts_each_due_time(clockworks):
    some = await clockworks(3)
    await some[0].register()
    for other in some[1:]:
        await other.process.catalogue.refresh(TENANT)
    dues = []
    for _ in range(12):
        dues.append(format_due_at(some[0].hands.to_next_hour()))
        answers = await together(*(each.scheduler.turn() for each in some))
        assert not [answer for answer in answers if isinstance(answer, BaseException)]
    assert await some[0].due_times() == dues
    told = sum((each.told for each in some), start=type(some[0].told)())
    assert told["started"] == 12
    assert set(told) <= {"started", "repeated"}


async def test_a_run_says_which_schedule_started_it_and_when_it_was_due(clockwork):
    await clockwork.register(periodic={"interval": 3600, "payload": {"full": False}})
    due = clockwork.hands.to_next_hour()
    assert await clockwork.scheduler.turn() == LOOK_S
    [event] = await clockwork.made()
    assert event.actor == event.data["started_by"] == "schedule"
    assert event.metadata == {"source": "schedule"}
    assert event.data["payload"] == {"full": False}
    assert event.data["schedule"] == {"due_at": format_due_at(due), "late_s": 0, "missed": 0}


async def test_what_was_due_before_its_schedule_was_registered_is_not_made(clockwork):
    await clockwork.register(periodic={"crontab": "0 * * * *"})
    await clockwork.scheduler.turn()
    assert await clockwork.made() == []


async def test_it_looks_again_when_something_is_due_and_not_before(clockwork):
    assert await clockwork.scheduler.turn() == LOOK_S
    await clockwork.register()
    await clockwork.scheduler.turn()
    clockwork.hands.to_next_hour(past=-5 * SECOND)
    assert await clockwork.scheduler.turn() == 5
    assert await clockwork.made() == []


async def test_after_a_stop_only_the_latest_missed_due_time_is_made_and_says_so(clockwork):
    await clockwork.register()
    first = clockwork.hands.to_next_hour()
    await clockwork.scheduler.turn()
    latest = clockwork.hands.to_next_hour(5, past=90 * SECOND)
    again = new_scheduler(clockwork.process, clockwork.hands, clockwork.told)
    await again.turn()
    await again.turn()
    assert [event.data["schedule"] for event in await clockwork.made()] == [
        {"due_at": format_due_at(first), "late_s": 0, "missed": 0},
        {"due_at": format_due_at(latest), "late_s": 90, "missed": 4},
    ]


async def test_a_schedule_that_nothing_is_known_of_does_not_say_how_many_it_missed(clockwork):
    await clockwork.register()
    clockwork.hands.to_next_hour(3)
    await clockwork.scheduler.turn()
    [event] = await clockwork.made()
    assert event.data["schedule"]["missed"] is None


async def test_a_due_time_at_which_an_exclusive_flow_was_busy_is_over(clockwork):
    process = clockwork.process
    await clockwork.register(exclusive=True)
    busy = await process.start("example.DUE")
    clockwork.hands.to_next_hour()
    await clockwork.scheduler.turn()
    assert clockwork.told == {"refused": 1}
    await process.writer.submit(claim(busy.run_id))
    await process.writer.submit(
        report_events(busy.run_id, ("RunFailed", None), worker="w1", epoch=1), internal=True
    )
    again = new_scheduler(process, clockwork.hands, clockwork.told)
    clockwork.hands.now += 60 * SECOND
    await again.turn()
    assert await clockwork.made() == []
    due = clockwork.hands.to_next_hour()
    await again.turn()
    assert await clockwork.due_times() == [format_due_at(due)]
    marks = await clockwork.marks.of([(TENANT, "example.DUE")])
    assert [(m.due_at, m.outcome) for m in marks.values()] == [(due, "started")]


async def test_a_payload_that_does_not_fit_is_refused_and_no_other_flow_waits_for_it(clockwork):
    await clockwork.register("PICKY", payload_schema=SCHEMA)
    await clockwork.register("OTHER")
    clockwork.hands.to_next_hour()
    await clockwork.scheduler.turn()
    assert [event.data["flow"] for event in await clockwork.made()] == ["example.OTHER"]
    marks = await clockwork.marks.of([(TENANT, "example.PICKY")])
    [refused] = marks.values()
    assert refused.outcome == "refused"
    assert "'rows' is a required property" in refused.reason


async def test_a_flow_that_crashes_the_start_keeps_no_other_from_its_due_time(clockwork):
    await clockwork.register("BROKEN", payload_schema="{")
    await clockwork.register("OTHER")
    clockwork.hands.to_next_hour()
    assert await clockwork.scheduler.turn() == 1
    assert [event.data["flow"] for event in await clockwork.made()] == ["example.OTHER"]
    assert clockwork.told == {"started": 1, "delayed": 1}


async def test_it_goes_on_by_itself_when_the_database_comes_back(own_cluster, caplog):
    await postgres.migrate_whole(own_cluster.url)
    async with open_clockwork(own_cluster.url, Hands()) as clockwork:
        await clockwork.register()
        due = clockwork.hands.to_next_hour(past=-60 * SECOND)
        running = asyncio.create_task(clockwork.scheduler.run())
        await asyncio.to_thread(own_cluster.kill)
        clockwork.hands.now = due
        clockwork.scheduler.look()
        async with asyncio.timeout(30):
            while "wait" not in caplog.text:  # noqa: ASYNC110 - it has noticed
                await asyncio.sleep(0.01)
            await asyncio.to_thread(own_cluster.start)
            while not clockwork.told["started"]:
                await asyncio.sleep(0.01)
                clockwork.hands.now += SECOND / 100
        running.cancel()
        assert await clockwork.due_times() == [format_due_at(due)]


async def test_a_flow_loaded_anew_is_due_by_its_new_schedule_and_a_retired_one_never(clockwork):
    await clockwork.register()
    await clockwork.scheduler.turn()
    await clockwork.register(version=2, periodic={"interval": 1800})
    clockwork.hands.to_next_hour(past=30 * 60 * SECOND)
    await clockwork.scheduler.turn()
    [event] = await clockwork.made()
    assert event.data["flow_version"] == 2
    assert event.data["schedule"]["due_at"] == format_due_at(clockwork.hands.now)
    await clockwork.retire()
    clockwork.hands.to_next_hour()
    assert await clockwork.scheduler.turn() == LOOK_S
    assert len(await clockwork.made()) == 1


async def test_a_change_beside_the_schedule_loses_no_due_time(clockwork):
    await clockwork.register()
    since = clockwork.process.catalogue.for_tenant(TENANT).due_since["example.DUE"]
    await clockwork.register(version=2, periodic={"interval": 3600, "payload": {"rows": 1}})
    assert clockwork.process.catalogue.for_tenant(TENANT).due_since["example.DUE"] == since
    await clockwork.retire()
    await clockwork.register(version=3)
    assert clockwork.process.catalogue.for_tenant(TENANT).due_since["example.DUE"] > since


async def test_a_process_with_old_news_does_not_start_by_the_old_schedule(clockworks):
    one, two = await clockworks(2)
    await one.register()
    await two.process.catalogue.refresh(TENANT)
    await two.scheduler.turn()
    new_year = {"crontab": "0 0 1 1 *"}
    await one.register(version=2, periodic=new_year)
    one.hands.to_next_hour(past=SECOND)
    await two.scheduler.turn()
    assert two.told == {"delayed": 1}
    await two.scheduler.turn()  # now it has read them
    assert await one.made() == []
    one.hands.now = schedule_of(new_year).after(one.hands.now)
    await two.scheduler.turn()
    assert [event.data["flow_version"] for event in await one.made()] == [2]


async def test_a_start_that_the_log_cannot_take_is_made_when_it_can(clockwork, database_url):
    await clockwork.register()
    due = clockwork.hands.to_next_hour()
    async with held_log(database_url):
        assert await clockwork.scheduler.turn() == 1
        clockwork.hands.now += SECOND
        assert await clockwork.scheduler.turn() == 2
    assert clockwork.told == {"delayed": 2}
    clockwork.hands.now += SECOND
    assert await clockwork.scheduler.turn() == 1  # not before its time
    clockwork.hands.now += SECOND
    await clockwork.scheduler.turn()
    assert await clockwork.due_times() == [format_due_at(due)]


async def test_what_waits_for_the_log_gives_way_to_the_next_due_time(clockwork, database_url):
    await clockwork.register(periodic={"interval": 2})
    async with held_log(database_url):
        clockwork.hands.to_next_hour()
        await clockwork.scheduler.turn()
    clockwork.hands.now += 2 * SECOND
    await clockwork.scheduler.turn()
    assert await clockwork.due_times() == [format_due_at(clockwork.hands.now)]


@pytest.mark.parametrize(
    "point",
    [
        "before service.runs.write.writer.Writer.submit 1",
        "after events.store.Log.append 1",
        "after service.runs.write.writer.Writer.submit 1",
        "after service.schedules.last_fired.Marks.make 1",
    ],
)
async def test_killed_between_due_and_recorded_another_starts_it_once(
    clockwork, database_url, point
):
    await clockwork.register()
    due = clockwork.hands.to_next_hour()
    module = ("tests.kit.points", point, "tests.schedules.clockwork")
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *module, database_url, due.isoformat()
    )
    assert await killed.wait() == -signal.SIGKILL
    await clockwork.scheduler.turn()
    assert await clockwork.due_times() == [format_due_at(due)]


async def test_a_clock_that_goes_back_makes_nothing_twice(clockwork):
    await clockwork.register()
    due = clockwork.hands.to_next_hour()
    await clockwork.scheduler.turn()
    clockwork.hands.now -= 2 * HOUR
    again = new_scheduler(clockwork.process, clockwork.hands, clockwork.told)
    await again.turn()
    clockwork.hands.now = due
    await again.turn()
    assert await clockwork.due_times() == [format_due_at(due)]


async def test_a_process_that_comes_late_moves_no_mark_back(clockwork):
    key, now = (TENANT, "example.DUE"), clockwork.hands.now
    for mark in (Mark(now, "refused", "busy"), Mark(now - HOUR, "started"), Mark(now, "started")):
        await clockwork.marks.make(key, mark)
    assert await clockwork.marks.of([key]) == {key: Mark(now, "refused", "busy")}


async def test_a_clients_key_never_meets_that_of_a_schedule(clockwork):
    await clockwork.register()
    due = format_due_at(clockwork.hands.to_next_hour())
    key = f"schedule/example.DUE/{due}"
    await clockwork.process.start("example.DUE", idempotency_key=key)
    await clockwork.scheduler.turn()
    assert await clockwork.due_times() == [due]


async def test_a_schedule_of_an_older_release_that_makes_no_sense_is_passed_by(clockwork):
    await clockwork.register(periodic={"interval": 0.001})
    assert follow({}, clockwork.process.catalogue) == {}


async def test_a_tenants_flow_of_the_same_name_has_its_own_due_time(clockwork):
    await clockwork.register()
    # A mark of another tenant says nothing here.
    await clockwork.process.pool.execute(
        "INSERT INTO schedules.marks (tenant, fullname, due_at, outcome, reason)"
        " VALUES ('other', 'example.DUE', '2100-01-01', 'started', '')"
    )
    due = clockwork.hands.to_next_hour()
    await clockwork.scheduler.turn()
    assert await clockwork.due_times() == [format_due_at(due)]
