"""What several read models of a process ask for is read once."""

import asyncio

import pytest

from events.errors import LogUnavailable
from projections.live.feed import SharedFeed
from tests.projections.histories import History
from tests.waiting import until


class Recorded:
    """A feed over a plain list that notes what it was asked for, and waits beyond its end."""

    def __init__(self, events) -> None:
        self.events = events
        self.asked = []
        self.more = asyncio.Event()

    async def after(self, position, limit):
        self.asked.append(position)
        if position >= len(self.events):
            await self.more.wait()
        return self.events[position : position + limit]


@pytest.fixture
def feed() -> Recorded:
    history = History()
    history.register()
    for number in range(1, 10):
        history.queue(number)
    return Recorded(history.events)


def positions(events):
    return [event.position for event in events]


async def test_those_who_ask_for_the_same_at_once_share_one_read(feed):
    shared = SharedFeed(feed)
    answers = await asyncio.gather(*(shared.after(0, 4) for _ in range(5)))

    assert [positions(events) for events in answers] == [[1, 2, 3, 4]] * 5
    assert feed.asked == [0]


async def test_who_comes_later_has_what_was_read_of_history(feed):
    shared = SharedFeed(feed)
    await shared.after(0, 4)
    await shared.after(4, 4)

    assert positions(await shared.after(2, 4)) == [3, 4]
    assert positions(await shared.after(5, 2)) == [6, 7]
    assert feed.asked == [0, 4]


async def test_near_the_head_nothing_is_kept(feed):
    shared = SharedFeed(feed)
    await shared.after(0, 4)
    assert positions(await shared.after(8, 4)) == [9, 10]
    await shared.after(0, 4)

    assert feed.asked == [0, 8, 0]


async def test_one_who_gives_up_does_not_take_it_from_the_others(feed):
    shared = SharedFeed(feed)
    hasty, patient = (asyncio.create_task(shared.after(10, 4)) for _ in range(2))
    await until(lambda: feed.asked == [10])
    hasty.cancel()
    feed.events = [*feed.events, feed.events[0]]
    feed.more.set()

    assert len(await patient) == 1


async def test_trouble_is_everybodys_and_is_not_kept(feed):
    shared = SharedFeed(feed)
    good = feed.after

    async def away(position, limit):
        raise LogUnavailable

    feed.after = away
    answers = await asyncio.gather(*(shared.after(0, 4) for _ in range(2)), return_exceptions=True)
    feed.after = good

    assert [type(answer) for answer in answers] == [LogUnavailable] * 2
    assert positions(await shared.after(0, 4)) == [1, 2, 3, 4]


async def test_closing_stops_what_was_being_read(feed):
    shared = SharedFeed(feed)
    waiter = asyncio.create_task(shared.after(10, 4))
    await until(lambda: feed.asked == [10])
    shared.close()

    with pytest.raises(asyncio.CancelledError):
        await waiter
