"""A moment leads to the last position recorded by then."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.events.making import request

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


async def test_before_the_first_event_there_is_no_position(log):
    assert await log.position_at(START) == 0
    await log.append([request()])
    assert await log.position_at(START) == 0


async def test_the_moment_of_an_event_is_that_of_the_last_of_its_batch(log):
    for _ in range(5):
        await log.append([request(events=3)])
    events = await log.read(0, 20)
    last = {event.recorded_at: event.position for event in events}
    for moment, position in last.items():
        assert await log.position_at(moment) == position
        assert await log.position_at(moment - TICK) < position
    assert await log.position_at(events[-1].recorded_at + timedelta(days=1)) == 15


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(gaps=st.lists(st.integers(0, 2), min_size=40, max_size=40), asked=st.integers(-1, 81))
async def test_any_moment_leads_to_the_last_position_by_then(log, owner, gaps, asked):
    if await log.head() == 0:
        await log.append([request(events=40)])
    moments, at = [], START
    for gap in gaps:
        at += gap * TICK
        moments.append(at)
    await recorded(owner, moments)
    moment = START + asked * TICK
    assert await log.position_at(moment) == sum(each <= moment for each in moments)


async def test_history_that_was_detached_is_older_than_all_that_is_left(log, owner):
    await log.append([request(events=10)])
    await recorded(owner, [START + n * TICK for n in range(1, 11)])
    await owner.execute("delete from log.events where position < 8")
    assert [await log.position_at(START + n * TICK) for n in (7, 8, 9, 10)] == [7, 8, 9, 10]
    assert await log.position_at(START) == 7
