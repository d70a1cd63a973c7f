"""Following: every event once, in order, without a gap, whatever happens in between."""

import asyncio
import contextlib

import pytest

from events.database import connect, connect_pool
from events.errors import LogUnavailable, MissingPositions
from events.follow import CHANNEL, Feed, Notifier
from events.store import Log
from tests.events.making import request, running
from tests.waiting import until

EVERY_LOOP = True


async def append(log, count=1, **named):
    answers = await log.append([request(**named) for _ in range(count)])
    return [event for answer in answers for event in answer.events]


def positions(events):
    return [event.position for event in events]


async def started(feed: Feed) -> bool:
    return feed._started


@pytest.fixture
async def feed(log, database_url):
    feed = Feed(log, database_url, buffer_size=10)
    async with running(feed.run()):
        await until(lambda: started(feed))
        yield feed


async def test_a_feed_starts_at_the_head_and_gives_history_when_asked(log, database_url):
    await append(log, 5)
    feed = Feed(log, database_url)
    async with running(feed.run()):
        await until(lambda: started(feed))
        assert feed.head == 5
        assert positions(await feed.read_after(0)) == [1, 2, 3, 4, 5]
        assert positions(await feed.read_after(3, 1)) == [4]


async def test_what_this_process_commits_is_there_at_once(feed, log):
    events = await append(log, 3)
    feed.wake(events)
    assert feed.head == 3
    assert [
        found is given for found, given in zip(await feed.read_after(0), events, strict=True)
    ] == [
        True,
        True,
        True,
    ]


async def test_what_others_commit_is_found_by_looking(feed, log):
    await append(log, 3)
    assert await feed.wait_for(3, 10)
    assert await feed.read_after(0) == await log.read(0, 10)


async def test_events_after_a_gap_are_not_taken_before_those_in_it(feed, log):
    await append(log, 2)
    mine = await append(log, 2)
    feed.wake(mine)
    assert await feed.wait_for(4, 10)
    assert positions(await feed.read_after(0)) == [1, 2, 3, 4]


async def test_waiting_for_a_position_ends_in_time_either_way(feed, log):
    waiting = asyncio.ensure_future(feed.wait_for(2, 10))
    await append(log, 2)
    assert await waiting
    assert await feed.wait_for(1, 0.01)
    assert not await feed.wait_for(3, 0.01)


async def test_what_has_left_the_window_is_read_from_the_log(feed, log):
    for _ in range(10):
        feed.wake(await append(log, 7))
    assert 10 <= len(feed._events) <= 11
    found, after = [], 0
    while after < 70:
        found += positions(await feed.read_after(after, 9))
        after = found[-1]
    assert found == list(range(1, 71))


async def test_subscribers_see_every_event_once_in_order(feed, log, batcher):
    async def seen(after):
        found = []
        async with contextlib.aclosing(feed.subscribe(after, 7)) as batches:
            async for events in batches:
                found += positions(events)
                if found[-1] >= 200:
                    break
        return found

    batcher.on_commit(feed.wake)
    readers = [asyncio.ensure_future(seen(0)) for _ in range(4)]
    for _ in range(10):
        await asyncio.gather(*(batcher.append(request(f"s{n}")) for n in range(10)))
        await append(log, 10)
    assert await asyncio.gather(*readers) == [list(range(1, 201))] * 4
    assert await seen(150) == list(range(151, 201))


async def test_a_hole_in_the_log_stops_the_feed_with_an_alarm(log, owner, database_url):
    feed = Feed(log, database_url)
    run = asyncio.ensure_future(feed.run())
    await until(lambda: started(feed))
    async with owner.transaction():
        await owner.execute("lock table log.events")  # the feed cannot look yet
        await owner.execute("update log.head set position = position + 1")
    await append(log, 1)
    with pytest.raises(MissingPositions):
        await run


async def test_a_feed_goes_on_where_it_was_after_its_connection_was_cut(log, owner, database_url):
    feed = Feed(log, database_url)
    run = asyncio.ensure_future(feed.run())
    await until(lambda: started(feed))
    feed.wake(await append(log, 2))
    await owner.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and query ilike 'listen%'"
    )
    with pytest.raises(LogUnavailable):
        await run
    await append(log, 2)
    async with running(feed.run()):
        assert await feed.wait_for(4, 10)
    assert positions(await feed.read_after(0)) == [1, 2, 3, 4]


async def test_other_processes_are_told_of_the_newest_head(database_url, log):
    told: asyncio.Queue[str] = asyncio.Queue()
    listener = await connect(database_url)
    await listener.add_listener(CHANNEL, lambda *heard: told.put_nowait(heard[-1]))
    notifier = Notifier(database_url)
    async with running(notifier.run()):
        notifier.notify(await append(log, 2))
        notifier.notify(await append(log, 1))
        async with asyncio.timeout(10):
            while await told.get() != "3":
                pass
        notifier.notify(await append(log, 1))
        async with asyncio.timeout(10):
            assert await told.get() == "4"
    await listener.close()


async def test_a_notification_wakes_a_feed_that_would_sleep_on(database_url, log, monkeypatch):
    monkeypatch.setattr("events.follow.POLL_S", 3600)
    pool = await connect_pool(database_url, max_size=1)
    feed, notifier = Feed(Log(pool), database_url), Notifier(database_url)
    async with running(feed.run(), notifier.run()):
        await until(lambda: started(feed))
        notifier.notify(await append(log, 2))
        assert await feed.wait_for(2, 20)
    await pool.close()
