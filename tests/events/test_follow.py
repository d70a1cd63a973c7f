"""The feed: every event once, in order, without a gap, after any failure."""

import asyncio
import contextlib

import pytest

from events.database import Database, connect, connect_pool
from events.errors import LogUnavailable, MissingPositions
from events.follow import CHANNEL, Feed, Notifier
from events.store import Log
from tests.events.builders import request, running
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
    feed = Feed(log, buffer_size=10)
    async with running(feed.run()):
        await until(lambda: started(feed))
        yield feed


async def test_feed_starts_at_the_head_and_reads_history_on_request(log, database_url):
    await append(log, 5)
    feed = Feed(log)
    async with running(feed.run()):
        await until(lambda: started(feed))
        assert feed.head == 5
        assert positions(await feed.read_after(0)) == [1, 2, 3, 4, 5]
        assert positions(await feed.read_after(3, 1)) == [4]


async def test_own_commits_are_available_at_once(feed, log):
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


async def test_commits_of_other_processes_are_found_by_polling(feed, log):
    await append(log, 3)
    assert await feed.wait_for(3, 10)
    assert await feed.read_after(0) == await log.read(0, 10)


async def test_events_after_a_gap_wait_for_those_within_it(feed, log):
    await append(log, 2)
    mine = await append(log, 2)
    feed.wake(mine)
    assert await feed.wait_for(4, 10)
    assert positions(await feed.read_after(0)) == [1, 2, 3, 4]


async def test_wait_for_returns_when_reached_or_timed_out(feed, log):
    waiting = asyncio.ensure_future(feed.wait_for(2, 10))
    await append(log, 2)
    assert await waiting
    assert await feed.wait_for(1, 0.01)
    assert not await feed.wait_for(3, 0.01)


async def test_events_no_longer_buffered_are_read_from_the_log(feed, log):
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


async def test_missing_position_stops_the_feed(log, owner, database_url):
    feed = Feed(log)
    run = asyncio.ensure_future(feed.run())
    await until(lambda: started(feed))
    async with owner.transaction():
        await owner.execute("lock table log.events")  # the feed cannot look yet
        await owner.execute("update log.head set position = position + 1")
    await append(log, 1)
    with pytest.raises(MissingPositions):
        await run


async def test_feed_resumes_after_lost_connection(log, owner, database_url):
    feed = Feed(log)
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


async def test_notifier_sends_the_newest_head(database_url, log):
    told: asyncio.Queue[str] = asyncio.Queue()
    listener = await connect(database_url)
    await listener.add_listener(CHANNEL, lambda *heard: told.put_nowait(heard[-1]))
    notifier = Notifier(Database(database_url))
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


async def test_notification_wakes_a_feed_before_its_next_poll(database_url, log, monkeypatch):
    monkeypatch.setattr("events.follow.POLL_S", 3600)
    pool = await connect_pool(database_url, max_size=1)
    feed, notifier = Feed(Log(pool)), Notifier(Database(database_url))
    async with running(feed.run(), notifier.run()):
        await until(lambda: started(feed))
        notifier.notify(await append(log, 2))
        assert await feed.wait_for(2, 20)
    await pool.close()
