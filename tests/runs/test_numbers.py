"""Run numbers come from the real sequence and are fetched ahead."""

import asyncio
from functools import partial

import asyncpg
import pytest

from events.database import Database, connect_pool
from events.errors import LedgerReplaced, LogUnavailable
from service.errors import Unavailable
from service.runs.write.ids import RunNumbers
from service.runs.write.number_sequence import BLOCK_SIZE, NumberBlocks, NumbersExhausted


@pytest.fixture
async def pool(database_url):
    pool = await connect_pool(database_url, max_size=2)
    yield pool
    await pool.close()


async def test_blocks_taken_from_the_sequence_never_overlap(pool):
    first, second, third = [*await NumberBlocks(pool).take(2), *await NumberBlocks(pool).take(1)]
    assert (first, second, third) == (range(1, 101), range(101, 201), range(201, 301))


async def test_exhausted_sequence_says_what_to_do(pool, database_url, process):
    admin = await asyncpg.connect(database_url)
    await admin.execute("select setval('runs.run_number', 2147483401)")
    await admin.close()
    [last] = await NumberBlocks(pool).take(1)
    assert last[-1] == 2_147_483_600 < 2**31
    with pytest.raises(NumbersExhausted, match="start a new ledger"):
        await NumberBlocks(pool).take(1)
    with pytest.raises(Unavailable, match="start a new ledger"):
        await process.start()


async def test_burst_takes_distinct_numbers_in_few_fetches(pool):
    asked = []

    async def fetch(blocks):
        asked.append(blocks)
        return await NumberBlocks(pool).take(blocks)

    numbers = RunNumbers(fetch)
    taken = await asyncio.gather(*(numbers.next() for _ in range(1000)))
    assert sorted(set(taken)) == sorted(taken)
    assert len(taken) == 1000
    assert len(asked) <= 4
    await numbers.close()


async def test_next_block_is_fetched_before_the_last_number_is_used():
    blocks = iter(range(100))
    fetched = []

    async def fetch(count):
        fetched.append(count)
        starts = [next(blocks) * BLOCK_SIZE + 1 for _ in range(count)]
        return [range(start, start + BLOCK_SIZE) for start in starts]

    numbers = RunNumbers(fetch)
    await numbers.next()
    await asyncio.sleep(0)
    assert len(fetched) == 2


async def test_failed_fetch_raises_to_waiting_callers_and_is_retried(pool):
    away = [LogUnavailable("away"), LogUnavailable("away")]

    async def fetch(blocks):
        if away:
            raise away.pop()
        return await NumberBlocks(pool).take(blocks)

    numbers = RunNumbers(fetch)
    for _ in range(2):
        with pytest.raises(LogUnavailable):
            await numbers.next()
    assert await numbers.next() == 1
    await numbers.close()


async def test_close_stops_a_fetch_in_progress():
    started = asyncio.Event()

    async def fetch(_blocks):
        started.set()
        await asyncio.Event().wait()

    numbers = RunNumbers(partial(fetch))
    waiting = asyncio.create_task(numbers.next())
    await started.wait()
    await numbers.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_process_whose_block_is_not_on_record_takes_no_more_numbers(database_url):
    database = Database(database_url)
    pool = await database.open_pool(max_size=1)
    await NumberBlocks(pool).take(1)
    connection = await database.connect()  # the record is there
    await connection.close()
    admin = await asyncpg.connect(database_url)
    await admin.execute("delete from runs.number_blocks")  # as a restored copy has it
    await admin.close()
    with pytest.raises(LedgerReplaced, match="run numbers from 1, which are not taken there"):
        await database.connect()
    await pool.close()


async def test_taking_a_block_removes_records_of_processes_gone_for_a_month(pool, database_url):
    admin = await asyncpg.connect(database_url)
    await admin.execute(
        "insert into runs.number_blocks (process, first_number, taken_at)"
        " values (gen_random_uuid(), 1, now() - interval '31 days'),"
        " (gen_random_uuid(), 101, now() - interval '29 days')"
    )
    await NumberBlocks(pool).take(1)
    left = await admin.fetch("select first_number from runs.number_blocks order by taken_at")
    await admin.close()
    assert [row[0] for row in left] == [101, 1]


async def test_record_of_a_process_that_reconnects_is_kept_alive(database_url):
    database = Database(database_url)
    pool = await database.open_pool(max_size=1)
    await NumberBlocks(pool).take(1)
    admin = await asyncpg.connect(database_url)
    await admin.execute("update runs.number_blocks set taken_at = now() - interval '20 days'")
    connection = await database.connect()
    await connection.close()
    age = await admin.fetchval("select now() - max(taken_at) from runs.number_blocks")
    await admin.close()
    assert age.days == 0
    await pool.close()
