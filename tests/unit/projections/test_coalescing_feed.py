"""The coalescing feed: one read serves all projectors of a process."""

import asyncio

import pytest

from events.errors import LogUnavailable
from projections.live.feed import CoalescingFeed
from tests.projections.histories import History
from tests.waiting import until


class RecordingFeed:
    """A feed over a plain list that records what was read, and waits at its end."""

    def __init__(self, events) -> None:
        self.events = events
        self.reads = []
        self.more = asyncio.Event()

    async def read_after(self, position, limit):
        self.reads.append(position)
        if position >= len(self.events):
            await self.more.wait()
        return self.events[position : position + limit]


@pytest.fixture
def feed() -> RecordingFeed:
    history = History()
    history.register()
    for number in range(1, 10):
        history.queue(number)
    return RecordingFeed(history.events)


def positions(events):
    return [event.position for event in events]


async def test_concurrent_reads_of_one_position_share_one_query(feed):
    shared = CoalescingFeed(feed)
    answers = await asyncio.gather(*(shared.read_after(0, 4) for _ in range(5)))

    assert [positions(events) for events in answers] == [[1, 2, 3, 4]] * 5
    assert feed.reads == [0]


async def test_slower_reader_gets_recent_history_without_a_query(feed):
    shared = CoalescingFeed(feed)
    await shared.read_after(0, 4)
    await shared.read_after(4, 4)

    assert positions(await shared.read_after(2, 4)) == [3, 4]
    assert positions(await shared.read_after(5, 2)) == [6, 7]
    assert feed.reads == [0, 4]


async def test_batch_near_the_head_is_not_kept(feed):
    shared = CoalescingFeed(feed)
    await shared.read_after(0, 4)
    assert positions(await shared.read_after(8, 4)) == [9, 10]
    await shared.read_after(0, 4)

    assert feed.reads == [0, 8, 0]


async def test_cancelled_reader_does_not_cancel_the_others(feed):
    shared = CoalescingFeed(feed)
    cancelled, patient = (asyncio.create_task(shared.read_after(10, 4)) for _ in range(2))
    await until(lambda: feed.reads == [10])
    cancelled.cancel()
    feed.events = [*feed.events, feed.events[0]]
    feed.more.set()

    assert len(await patient) == 1


async def test_error_reaches_all_readers_and_is_not_kept(feed):
    shared = CoalescingFeed(feed)
    good = feed.read_after

    async def away(position, limit):
        raise LogUnavailable

    feed.read_after = away
    answers = await asyncio.gather(
        *(shared.read_after(0, 4) for _ in range(2)), return_exceptions=True
    )
    feed.read_after = good

    assert [type(answer) for answer in answers] == [LogUnavailable] * 2
    assert positions(await shared.read_after(0, 4)) == [1, 2, 3, 4]


async def test_close_cancels_reads_in_flight(feed):
    shared = CoalescingFeed(feed)
    waiter = asyncio.create_task(shared.read_after(10, 4))
    await until(lambda: feed.reads == [10])
    shared.close()

    with pytest.raises(asyncio.CancelledError):
        await waiter
