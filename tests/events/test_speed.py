"""Append throughput compared with COPY: `pytest tests/events/test_speed.py -m benchmark -s`.

The COPY is of the same rows into tables with the same columns and indexes, as many rows in a
transaction as an append has, without what makes it a log: no check, no hash, no triggers, no lock.
Making requests, and reading the rows that are copied, is in neither time. Ids are those that the
service makes. Rounds of each kind follow each other, since the machine may be shared: the ratio is
the median of the rounds', and the processor time tells what a neighbour does not disturb.
What was reached, and what was tried where a goal was missed: docs/reference/performance.md.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from events.batcher import Batcher
from events.database import connect_pool
from events.envelope import AppendRequest
from events.store import Log
from service.runs.write.ids import new_id
from service.serving import tune_garbage_collection
from tests.events.builders import request, running

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

EVENTS, BATCH, CALLERS, ROUNDS = 20_000, 256, 256, 5
TABLES = {"events": "position", "event_ids": "position", "streams": "first_position"}


class Round(NamedTuple):
    """Per second, and microseconds of processor time an event: this process, its backends."""

    per_s: float
    here_us: float
    backends_us: float


def requests(count: int = EVENTS) -> list[AppendRequest]:
    """One event of 200 bytes for a new stream each."""
    return [request(f"run:{new_id()}", 0, text="x" * 190, event_id=new_id()) for _ in range(count)]


def batches(items: list) -> Iterator[list]:
    return (items[first : first + BATCH] for first in range(0, len(items), BATCH))


def spent(pids: list[int]) -> float:
    """Seconds of processor time; a process that is gone counts no more."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e9


async def measured(owner: asyncpg.Connection, work: Awaitable[None], count: int = EVENTS) -> Round:
    backends = [
        row[0]
        for row in await owner.fetch(
            "select pid from pg_stat_activity"
            " where datname = current_database() and backend_type = 'client backend'"
        )
    ]
    tune_garbage_collection()
    here, there, begin = time.process_time(), spent(backends), time.perf_counter()
    await work
    elapsed = time.perf_counter() - begin
    here, there = time.process_time() - here, spent(backends) - there
    return Round(count / elapsed, here / count * 1e6, there / count * 1e6)


def report(title: str, rounds: list[Round], beside: list[Round]) -> None:
    per_s, here, there = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(
        one.per_s / other.per_s for one, other in zip(rounds, beside, strict=True)
    )
    sys.stdout.write(
        f"\n{title:28} {ratio:5.2f}  {per_s:7,.0f}/s"
        f"  processor us: here {here:6.1f}, backends {there:6.1f}"
    )


async def append_from_callers(log: Log, wanted: list[AppendRequest], callers: int) -> None:
    batcher = Batcher(log)
    waiting = iter(wanted)

    async def call() -> None:
        for each in waiting:
            await batcher.append(each)

    async with running(batcher.run()):
        await asyncio.gather(*(call() for _ in range(callers)))
        await batcher.close()


async def append_in_batches(log: Log, wanted: list[AppendRequest]) -> None:
    for batch in batches(wanted):
        await log.append(batch)


async def rows_to_copy(owner: asyncpg.Connection) -> dict[str, list]:
    """Read the last rows of the log, and make tables like it for them."""
    rows = {
        table: await owner.fetch(
            f"select * from log.{table} where {key} > (select position from log.head) - $1"
            f" order by {key}",
            EVENTS,
        )
        for table, key in TABLES.items()
    }
    for table in TABLES:
        await owner.execute(f"create table public.{table} (like log.{table} including all)")
    await owner.execute("create unique index on public.events (stream, tenant, version)")
    return rows


async def copy(owner: asyncpg.Connection, rows: dict[str, list]) -> None:
    for parts in zip(*(batches(rows[table]) for table in TABLES), strict=True):
        async with owner.transaction():
            for table, part in zip(TABLES, parts, strict=True):
                await owner.copy_records_to_table(table, schema_name="public", records=part)


async def drop_copied(owner: asyncpg.Connection) -> None:
    await owner.execute(f"drop table {', '.join(f'public.{table}' for table in TABLES)}")


async def test_appends_beside_copy(pool, owner, capsys):
    log = Log(pool)
    callers, alone, copied = [], [], []
    await append_from_callers(log, requests(2_000), CALLERS)
    for _ in range(ROUNDS):
        wanted = requests()
        callers.append(await measured(owner, append_from_callers(log, wanted, CALLERS)))
        rows = await rows_to_copy(owner)
        copied.append(await measured(owner, copy(owner, rows)))
        await drop_copied(owner)
        wanted = requests()
        alone.append(await measured(owner, append_in_batches(log, wanted)))
    with capsys.disabled():
        report(f"{CALLERS} callers, of COPY", callers, copied)
        report(f"batches of {BATCH} in turn", alone, copied)
        report(f"COPY, {BATCH} a transaction", copied, copied)


async def insert_alone(owner: asyncpg.Connection, rows: list) -> None:
    insert = await owner.prepare(
        f"insert into public.events values ({', '.join(f'${n}' for n in range(1, 17))})"
    )
    for row in rows:
        await insert.fetch(*row)


async def test_one_caller_beside_a_bare_insert(pool, owner, capsys):
    log = Log(pool)
    appended, inserted = [], []
    await append_from_callers(log, requests(EVENTS), CALLERS)
    count = 1_000
    for _ in range(ROUNDS):
        wanted = requests(count)
        appended.append(await measured(owner, append_from_callers(log, wanted, 1), count))
        rows = (await rows_to_copy(owner))["events"][:count]
        inserted.append(await measured(owner, insert_alone(owner, rows), count))
        await drop_copied(owner)
    with capsys.disabled():
        report("1 caller, of bare INSERTs", appended, inserted)
        report("INSERT of one row", inserted, inserted)


async def together(url: str, callers: int, processes: int) -> float:
    """Events a second from so many callers in so many processes, which begin together."""
    script = (
        "import sys, uvloop; from tests.events.test_speed import child;"
        " uvloop.run(child(sys.argv[1], *map(int, sys.argv[2:])))"
    )
    count, each_callers = str(EVENTS // processes), str(callers // processes)
    children = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script, url, count, each_callers),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(processes)
    ]
    for each in children:
        await each.stdout.readline()
    begin = time.perf_counter()
    for each in children:
        each.stdin.write(b"\n")
    await asyncio.gather(*(each.communicate() for each in children))
    return EVENTS / (time.perf_counter() - begin)


async def child(url: str, count: int, callers: int) -> None:
    pool = await connect_pool(url, min_size=2, max_size=4)
    wanted = requests(count)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    await append_from_callers(Log(pool), wanted, callers)
    await pool.close()


@pytest.mark.parametrize("callers", [16, 64, CALLERS])
async def test_two_processes_beside_one(database_url, capsys, callers):
    """The same callers, all in one process or half of them in each of two."""
    ratios = []
    for _ in range(ROUNDS):
        one = await together(database_url, callers, 1)
        ratios.append(await together(database_url, callers, 2) / one)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{callers} callers in two processes, of one: {statistics.median(ratios):.2f}"
            f" ({min(ratios):.2f} to {max(ratios):.2f}), {os.cpu_count()} processors\n"
        )
