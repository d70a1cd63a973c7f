"""From a moment to the last position recorded by then."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import store
from events.batch import Batch
from events.database import load
from events.errors import LogUnavailable
from tests.events.builders import request

START = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)


async def recorded(owner, moments):
    """Give the events of the log these times, in the order of their positions."""
    await owner.execute("set session_replication_role = replica")
    await owner.execute(
        "update log.events e set recorded_at = m.at"
        " from unnest($1::timestamptz[]) with ordinality as m (at, position)"
        " where m.position = e.position",
        moments,
    )


async def test_position_before_the_first_event_is_zero(log):
    assert await log.position_at(START) == 0
    await log.append([request()])
    assert await log.position_at(START) == 0


async def test_position_at_recording_time_is_the_last_of_its_batch(log):
    for _ in range(5):
        await log.append([request(events=3)])
    events = await log.read(0, 20)
    last = {event.recorded_at: event.position for event in events}
    for moment, position in last.items():
        assert await log.position_at(moment) == position
        assert await log.position_at(moment - TICK) < position
    assert await log.position_at(events[-1].recorded_at + timedelta(days=1)) == 15


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(gaps=st.lists(st.integers(0, 2), min_size=40, max_size=40), asked=st.integers(-1, 81))
async def test_position_at_any_moment_is_the_last_recorded_by_then(log, owner, gaps, asked):
    if await log.head() == 0:
        await log.append([request(events=40)])
    moments, at = [], START
    for gap in gaps:
        at += gap * TICK
        moments.append(at)
    await recorded(owner, moments)
    moment = START + asked * TICK
    assert await log.position_at(moment) == sum(each <= moment for each in moments)


async def test_detached_history_counts_as_older_than_the_rest(log, owner):
    await log.append([request(events=10)])
    await recorded(owner, [START + n * TICK for n in range(1, 11)])
    await owner.execute("delete from log.events where position < 8")
    assert [await log.position_at(START + n * TICK) for n in (7, 8, 9, 10)] == [7, 8, 9, 10]
    assert await log.position_at(START) == 7


async def test_position_at_waits_for_append_that_took_its_time_before_the_moment(log, pool):
    await log.append([request()])
    async with pool.acquire() as connection, connection.transaction():
        await connection.fetch(load(store._SQL, "append"), *Batch([request()], []).columns())
        asked = asyncio.create_task(log.position_at(await log.now()))
        assert await asyncio.wait({asked}, timeout=0.2) == (set(), {asked})
    assert await asked == 2


async def test_position_at_answers_before_a_hanging_append_but_not_at_its_time(
    log, pool, monkeypatch
):
    monkeypatch.setattr(store, "INFLIGHT_TIMEOUT_S", 0.05)
    await log.append([request()])
    await log.append([request()])
    first = await log.recorded_at(1)
    async with pool.acquire() as connection, connection.transaction():
        await connection.fetch(load(store._SQL, "append"), *Batch([request()], []).columns())
        assert await log.position_at(first) == 1
        with pytest.raises(LogUnavailable):
            await log.position_at(await log.now())


async def test_recorded_at_is_the_time_of_the_event_at_that_position(log):
    await log.append([request(events=2)])
    assert await log.recorded_at(2) == (await log.read(1, 1))[0].recorded_at
    assert [await log.recorded_at(position) for position in (0, 3)] == [None, None]
    assert await log.now() > await log.recorded_at(2)


async def test_now_does_not_go_back_with_the_server_clock(log, owner):
    await log.append([request()])
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await owner.execute("update log.head set recorded_at = $1", tomorrow)
    assert await log.now() == tomorrow
