"""Who beats is alive; who does not, or has left, is silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from events.database import connect_pool
from service.executors.dispatcher import new_worker
from service.executors.heartbeats import Pace, Workers


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    pool = await connect_pool(database_url, max_size=2)
    yield pool
    await pool.close()


def worker(pool: asyncpg.Pool, **pace: float) -> Workers:
    return Workers(pool, new_worker(), slots=8, pace=replace(Pace(), **pace))


async def silent(asking: Workers, *others: Workers) -> set[Workers]:
    names = {other._worker: other for other in others}
    return {names[name] for name in await asking.silent(names.keys())}


async def test_a_worker_that_beats_is_heard_and_one_that_never_did_is_silent(
    pool: asyncpg.Pool,
) -> None:
    one, two, asking = worker(pool), worker(pool), worker(pool)
    await one.beat()
    assert await silent(asking, one, two) == {two}
    assert await silent(asking) == set()


async def test_silence_is_counted_from_the_last_heartbeat_by_the_databases_clock(
    pool: asyncpg.Pool,
) -> None:
    one, asking = worker(pool), worker(pool)
    for age_s, expected in ((14, set()), (16, {one})):
        await one.beat()
        await pool.execute(
            "update executors.workers set beat_at = beat_at - make_interval(secs => $1)", age_s
        )
        assert await silent(asking, one) == expected


async def test_a_worker_that_has_left_is_silent_at_once_and_beats_no_more(
    pool: asyncpg.Pool,
) -> None:
    one, asking = worker(pool), worker(pool)
    await one.beat()
    await asyncio.gather(one.leave(), one.beat())
    await one.beat()
    assert await silent(asking, one) == {one}


async def test_who_leaves_takes_those_along_that_are_long_dead(pool: asyncpg.Pool) -> None:
    dead, old, leaving = worker(pool), worker(pool), worker(pool)
    for each, hours in ((dead, 25), (old, 23), (leaving, 0)):
        await each.beat()
        await pool.execute(
            "update executors.workers set beat_at = beat_at - make_interval(hours => $2)"
            " where worker = $1",
            each._worker,
            hours,
        )
    await leaving.leave()
    rows = await pool.fetch("select worker from executors.workers")
    assert [row["worker"] for row in rows] == [old._worker]


async def test_a_worker_is_mute_until_it_has_beaten_and_when_it_could_not_for_long(
    pool: asyncpg.Pool,
) -> None:
    one = worker(pool, mute_s=0.1)
    assert one.mute
    await one.beat()
    async with asyncio.timeout(20):
        while not one.mute:  # noqa: ASYNC110 - time passes
            await asyncio.sleep(0.01)


def test_a_worker_has_time_to_stop_before_others_take_over() -> None:
    pace = Pace()
    assert pace.mute_s + 2 * pace.beat_s < pace.silence_s
