"""Our log as its service uses it: callers of one batcher, a follower of one feed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from events.batcher import Batcher
from events.codec import encode
from events.database import connect_pool
from events.envelope import AppendRequest, NewEvent, StreamAppend
from events.follow import Feed
from events.store import Log
from service.runs.write.ids import new_id
from service.serving import tune_garbage_collection
from tests.benchmarks.load import Measured
from tests.benchmarks.storing.tail import Tail
from tests.events.builders import running

NAME = "flowledger"
TENANT = "t"
TEXT = "x" * 190
WARMING = 2_000
"""Appends before those that are measured."""


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Log]:
    pool = await connect_pool(url, min_size=2, max_size=4)
    try:
        yield Log(pool)
    finally:
        await pool.close()


def requests(count: int, events: int = 1) -> list[AppendRequest]:
    """So many events of 200 bytes for a new stream each."""
    return [
        AppendRequest(
            TENANT, (StreamAppend(f"run:{new_id()}", 0, tuple(map(_event, range(events)))),)
        )
        for _ in range(count)
    ]


def _event(number: int) -> NewEvent:
    return NewEvent(new_id(), "RunStarted", encode({"n": number, "text": TEXT}), "somebody")


async def append(url: str, wanted: list[AppendRequest], callers: int) -> Measured:
    """Append all of them from so many callers, of which each waits for its answer.

    As in a service that has served for a while: its connections know the statements, and what it
    remembers is not walked through by the collector.
    """
    measured = Measured()
    async with opened(url) as log:
        batcher = Batcher(log)

        async def call(waiting: Iterator[AppendRequest], latencies: list[float]) -> None:
            for each in waiting:
                sent = time.perf_counter()
                await batcher.append(each)
                latencies.append(time.perf_counter() - sent)

        async with running(batcher.run()):
            for some, latencies in ((requests(WARMING), []), (wanted, measured.latencies)):
                tune_garbage_collection()
                waiting, began = iter(some), time.perf_counter()
                await asyncio.gather(*(call(waiting, latencies) for _ in range(callers)))
            measured.elapsed_s = time.perf_counter() - began
            await batcher.close()
    return measured


async def tail(url: str, writers: int, seconds: float) -> Tail:
    """Writers and a follower beside each other, three events an append."""
    found = Tail()
    async with opened(url) as log:
        batcher, feed = Batcher(log), Feed(log)
        batcher.on_commit(feed.wake)

        async def follow() -> None:
            async for events in feed.subscribe(head):
                for event in events:
                    found.saw(event.event_id)

        async def write(until: float) -> None:
            while time.perf_counter() < until:
                (wanted,) = requests(1, events=3)
                (part,) = wanted.streams
                began = time.perf_counter()
                await batcher.append(wanted)
                for event in part.events:
                    found.wrote(event.event_id, began)

        head = await log.head()
        async with running(batcher.run(), feed.run(), follow()):
            until = time.perf_counter() + seconds
            await asyncio.gather(*(write(until) for _ in range(writers)))
            await found.settle(seconds)
            await batcher.close()
    return found
