"""Heartbeats keep a worker alive; without one, or after leaving, it is expired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from events.database import Pool, connect_pool
from service.executors.dispatcher import new_worker
from service.executors.heartbeats import Heartbeats, HeartbeatTiming


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await connect_pool(database_url, max_size=2)
    yield pool
    await pool.close()


def worker(pool: Pool, **timing: float) -> Heartbeats:
    return Heartbeats(pool, new_worker(), slots=8, timing=replace(HeartbeatTiming(), **timing))


async def expired(asking: Heartbeats, *others: Heartbeats) -> set[Heartbeats]:
    names = {other._worker: other for other in others}
    return {names[name] for name in await asking.expired(names.keys())}


async def test_worker_without_a_heartbeat_is_expired(
    pool: Pool,
) -> None:
    one, two, asking = worker(pool), worker(pool), worker(pool)
    await one.beat()
    assert await expired(asking, one, two) == {two}
    assert await expired(asking) == set()


async def test_expiry_counts_from_the_last_heartbeat_by_the_databases_clock(
    pool: Pool,
) -> None:
    one, asking = worker(pool), worker(pool)
    for age_s, expected in ((14, set()), (16, {one})):
        await one.beat()
        await pool.execute(
            "update executors.workers set beat_at = beat_at - make_interval(secs => $1)", age_s
        )
        assert await expired(asking, one) == expected


async def test_worker_that_has_left_is_expired_at_once_and_beats_no_more(
    pool: Pool,
) -> None:
    one, asking = worker(pool), worker(pool)
    await one.beat()
    await asyncio.gather(one.leave(), one.beat())
    await one.beat()
    assert await expired(asking, one) == {one}


async def shift(pool: Pool, one: Heartbeats, hours: float) -> None:
    await pool.execute(
        "update executors.workers set beat_at = beat_at + make_interval(secs => $2 * 3600)"
        " where worker = $1",
        one._worker,
        hours,
    )


async def test_worker_that_died_before_the_clock_was_set_back_expires_by_the_askers_clock(
    pool: Pool,
) -> None:
    dead, alive, asking = worker(pool), worker(pool), worker(pool, expiry_s=0.3)
    for each in (dead, alive):
        await each.beat()
        await shift(pool, each, 3)
    assert await expired(asking, dead, alive) == set()
    await asyncio.sleep(0.4)
    await alive.beat()
    await shift(pool, alive, 2)  # another heartbeat, still later than the clock
    assert await expired(asking, dead, alive) == {dead}


async def test_worker_that_dies_of_a_jump_of_the_clock_lives_again_with_its_next_heartbeat(
    pool: Pool,
) -> None:
    one, asking = worker(pool), worker(pool)
    await one.beat()
    await shift(pool, one, -3)
    assert await expired(asking, one) == {one}
    await one.beat()
    assert await expired(asking, one) == set()


async def test_heartbeat_deletes_workers_a_day_away_from_the_clock(pool: Pool) -> None:
    dead, old, future, living = worker(pool), worker(pool), worker(pool), worker(pool)
    for each, hours in ((dead, 25), (old, 23), (future, -25), (living, 0)):
        await each.beat()
        await pool.execute(
            "update executors.workers set beat_at = beat_at - make_interval(hours => $2)"
            " where worker = $1",
            each._worker,
            hours,
        )
    await living.beat()
    rows = await pool.fetch("select worker from executors.workers")
    assert {row["worker"] for row in rows} == {old._worker, living._worker}


async def test_worker_is_isolated_before_its_first_beat_and_after_missing_beats(
    pool: Pool,
) -> None:
    one = worker(pool, isolated_s=0.1)
    assert one.isolated
    await one.beat()
    async with asyncio.timeout(20):
        while not one.isolated:  # noqa: ASYNC110 - time passes
            await asyncio.sleep(0.01)


def test_worker_has_time_to_stop_before_others_take_over() -> None:
    timing = HeartbeatTiming()
    assert timing.isolated_s + 2 * timing.interval_s < timing.expiry_s
