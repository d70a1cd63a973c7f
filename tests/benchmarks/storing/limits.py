"""The limits of a store on this Postgres: COPY and INSERT of rows like the log's.

Into tables with the log's columns and indexes and nothing of what makes it a log: no check, no
hash, no trigger, no lock. The rows are at hand; reading them is in no time.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

import asyncpg

from service.serving import tune_garbage_collection
from tests.benchmarks.load import Measured
from tests.benchmarks.storing import ours
from tests.events.test_speed import EVENTS, TABLES, batches, rows_to_copy
from tests.postgres import migrate_whole

COPY, INSERT = "COPY", "INSERT"
CONNECTIONS = 20


@asynccontextmanager
async def _rows(url: str):
    """A connection, empty tables like the log's, and rows for them."""
    await migrate_whole(url)
    await ours.append(url, ours.requests(EVENTS), 256)
    owner = await asyncpg.connect(url)
    try:
        rows = await rows_to_copy(owner)
        tune_garbage_collection()
        yield owner, rows
    finally:
        await owner.close()


async def copy(url: str, _callers: int, _seconds: float) -> Measured:
    """As many rows in a transaction as an append has events; a row takes what its batch takes."""
    measured = Measured()
    async with _rows(url) as (owner, rows):
        began = time.perf_counter()
        for parts in zip(*(batches(rows[table]) for table in TABLES), strict=True):
            sent = time.perf_counter()
            async with owner.transaction():
                for table, part in zip(TABLES, parts, strict=True):
                    await owner.copy_records_to_table(table, schema_name="public", records=part)
            measured.latencies += [time.perf_counter() - sent] * len(parts[0])
        measured.elapsed_s = time.perf_counter() - began
    return measured


async def insert(url: str, callers: int, seconds: float) -> Measured:
    """One row of `events` alone in each transaction, from callers that share connections."""
    measured = Measured()
    async with _rows(url) as (_owner, rows):
        waiting = iter(rows["events"])
        marks = ", ".join(f"${n + 1}" for n in range(len(rows["events"][0])))
        statement = f"insert into public.events values ({marks})"
        connections = min(callers, CONNECTIONS)
        async with asyncpg.create_pool(url, min_size=connections, max_size=connections) as pool:
            began = time.perf_counter()

            async def call() -> None:
                while (sent := time.perf_counter()) < began + seconds:
                    row = next(waiting, None)
                    if row is None:
                        return
                    await pool.execute(statement, *row)
                    measured.latencies.append(time.perf_counter() - sent)

            await asyncio.gather(*(call() for _ in range(callers)))
            measured.elapsed_s = time.perf_counter() - began
    return measured
