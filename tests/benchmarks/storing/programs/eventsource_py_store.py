"""The package `eventsource-py`: its store on asyncpg, and its global feed read in a loop.

Run by its own Python. Its rebuild, which replays a list held in memory, is not measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[4]))

from eventsource import DomainEvent, ExpectedVersion, PostgreSQLEventStore, StreamId, register_event
from sqlalchemy.ext.asyncio import create_async_engine

from tests.benchmarks.storing.tail import Tail

TEXT = "x" * 190
CATEGORY = "Counter"
POLL_S = 0.01


@register_event
class Counted(DomainEvent):
    event_type: str = "Counted"
    aggregate_type: str = CATEGORY
    n: int
    text: str


async def write(store: Any, events: int) -> list[str]:
    stream = uuid4()
    wanted = [Counted(aggregate_id=stream, n=number, text=TEXT) for number in range(events)]
    await store.append(StreamId(stream, CATEGORY), wanted, ExpectedVersion.no_stream())
    return [str(each.event_id) for each in wanted]


async def append(store: Any, callers: int, seconds: float) -> dict[str, Any]:
    latencies: list[float] = []
    until = time.perf_counter() + seconds

    async def call() -> None:
        while (sent := time.perf_counter()) < until:
            await write(store, 1)
            latencies.append(time.perf_counter() - sent)

    began = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return {"elapsed_s": time.perf_counter() - began, "latencies": latencies}


async def tail(store: Any, writers: int, seconds: float) -> dict[str, Any]:
    found = Tail()
    until = time.perf_counter() + seconds

    async def keep_writing() -> None:
        while (began := time.perf_counter()) < until:
            for event_id in await write(store, 3):
                found.wrote(event_id, began)

    async def follow() -> None:
        last = None
        while True:
            async for each in store.read_all(last):
                found.saw(str(each.event.event_id))
                last = each.position
            await asyncio.sleep(POLL_S)

    reader = asyncio.create_task(follow())
    await asyncio.gather(*(keep_writing() for _ in range(writers)))
    await found.settle(seconds)
    if reader.done():
        reader.result()
    reader.cancel()
    return found.told()


async def run() -> None:
    url, what, number, seconds = sys.argv[1:]
    engine = create_async_engine(
        url.replace("postgresql:", "postgresql+asyncpg:"), pool_size=20, max_overflow=0
    )
    store = PostgreSQLEventStore(engine, create_schema=True)
    found = await {"append": append, "tail": tail}[what](store, int(number), float(seconds))
    print(json.dumps(found))
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(run())
