"""The reader detects lost, doubled and disordered events, also in a naive store."""

import asyncpg
import pytest

from events.batcher import Batcher
from events.database import connect_pool
from events.store import Log
from tests.events.builders import request, running
from tests.kit import naive
from tests.kit.killer import Killer
from tests.kit.reader import FOLLOW, Figures, ReaderProcess, Tally, again, caught_up
from tests.waiting import until


@pytest.mark.parametrize(
    ("given", "figures"),
    [
        ([1, 2, 3, 4], Figures(4)),
        ([1, 2, 4], Figures(3, lost=1)),
        ([1, 2, 3], Figures(3, lost=1)),
        ([], Figures(0, lost=4)),
        ([1, 2, 2, 3, 4], Figures(5, doubled=1)),
        ([1, 2, 3, 4, 1], Figures(5, doubled=1)),
        ([1, 3, 2, 4], Figures(4, out_of_order=1)),
        ([1, 3, 2, 2, 4], Figures(5, doubled=1, out_of_order=1)),
    ],
)
def test_tally_counts_each_kind_of_fault(given, figures):
    tally = Tally()
    tally.note(given)
    assert tally.figures(range(1, 5)) == figures


def test_tally_starting_later_ignores_earlier_and_unused_positions():
    tally = Tally(after=10)
    tally.note([11, 14])
    assert tally.figures([1, 2, 11, 14]) == Figures(2)
    assert tally.figures([1, 2, 11, 13, 14, 15]) == Figures(2, lost=2)


@pytest.fixture
async def log(database_url):
    pool = await connect_pool(database_url)
    yield Log(pool)
    await pool.close()


@pytest.mark.parametrize("kind", ["feed", "poll"])
async def test_reader_follows_the_log_as_task_and_as_process(database_url, log, kind):
    tally = Tally()
    async with (
        ReaderProcess(kind, database_url) as process,
        running(FOLLOW[kind](database_url, tally)),
    ):
        for number in range(30):
            [answer] = await log.append([request(f"s{number % 3}", events=4)])
        await caught_up(tally, answer.last_position)
        assert tally.figures(range(1, 121)) == Figures(120)
        assert await process.figures(answer.last_position) == Figures(120)


@pytest.mark.parametrize("kind", ["feed", "poll"])
async def test_reader_resumes_after_lost_connections(database_url, log, kind):
    killer, tally = Killer(seed=1), Tally()
    owner = await asyncpg.connect(database_url)
    batcher = Batcher(log)
    async with running(again(batcher.run), FOLLOW[kind](database_url, tally)):
        for number in range(30):
            answer = await batcher.append(request(events=4))
            if number % 10 == 5:
                await caught_up(tally, answer.last_position)
                await killer.cut(owner, most=2)
        await caught_up(tally, answer.last_position)
    await owner.close()
    assert tally.figures(range(1, 121)) == Figures(120)


async def seen(tally: Tally, count: int) -> bool:
    return tally.seen >= count


async def test_reader_detects_events_lost_by_greater_than_last_seen(database_url):
    """The negative: sixteen writers that draw before they commit, and a reader that trusts them."""
    await naive.set_up(database_url)
    tally = Tally()
    async with ReaderProcess("naive", database_url) as process:
        writers = [naive.write(database_url, f"s{number}") for number in range(16)]
        async with running(naive.follow(database_url, tally)):
            async with running(*writers):
                await until(lambda: seen(tally, 1000))
            stored = await naive.positions(database_url)
            await caught_up(tally, stored[-1])
        in_process, apart = tally.figures(stored), await process.figures(stored[-1])
    assert in_process.lost > 0
    assert apart.lost > 0
    assert in_process.doubled == in_process.out_of_order == 0
