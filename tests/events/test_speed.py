"""How fast the log takes events, beside COPY: `pytest tests/events -m benchmark`."""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Iterator

import pytest

from events.batcher import Batcher
from events.envelope import AppendRequest
from events.store import Log
from tests.events.making import request, running

pytestmark = pytest.mark.benchmark

EVENTS, BATCH, CALLERS = 20_000, 256, 256


def requests() -> list[AppendRequest]:
    """One event of 200 bytes for a new stream each."""
    return [request(f"run:{os.urandom(16).hex()}", 0, text="x" * 190) for _ in range(EVENTS)]


def batches(items: list) -> Iterator[list]:
    return (items[first : first + BATCH] for first in range(0, len(items), BATCH))


async def rate(work: Awaitable[None]) -> float:
    begin = time.perf_counter()
    await work
    return EVENTS / (time.perf_counter() - begin)


async def append_from_callers(log: Log) -> None:
    batcher = Batcher(log)
    waiting = iter(requests())

    async def call() -> None:
        for each in waiting:
            await batcher.append(each)

    async with running(batcher.run()):
        await asyncio.gather(*(call() for _ in range(CALLERS)))
        await batcher.close()


async def append_in_batches(log: Log) -> None:
    for batch in batches(requests()):
        await log.append(batch)


async def copy(owner) -> None:
    """The rows of one append after the other, each in one transaction, checked by nobody."""
    tables = ("events", "event_ids", "streams")
    rows = {
        table: await owner.fetch(f"select * from log.{table} order by {key}")
        for table, key in zip(tables, ("position", "position", "first_position"), strict=True)
    }
    for table in tables:
        await owner.execute(f"create table public.{table} (like log.{table} including all)")
    await owner.execute("create unique index on public.events (stream, tenant, version)")
    for parts in zip(*(batches(rows[table]) for table in tables), strict=True):
        async with owner.transaction():
            for table, part in zip(tables, parts, strict=True):
                await owner.copy_records_to_table(table, schema_name="public", records=part)
    await owner.execute("drop table public.events, public.event_ids, public.streams")


async def test_appends_beside_copy(pool, owner, capsys):
    log = Log(pool)
    callers = await rate(append_from_callers(log))
    copied = await rate(copy(owner))
    alone = await rate(append_in_batches(log))
    with capsys.disabled():
        sys.stdout.write(
            f"\n{CALLERS} callers: {callers / copied:.2f} of COPY, {callers:,.0f} events/s"
            f"\nbatches of {BATCH}, in turn: {alone / copied:.2f} of COPY, {alone:,.0f} events/s"
            f"\nCOPY of the same rows, {BATCH} a transaction: {copied:,.0f} events/s\n"
        )
