"""message-db: its own functions in Postgres, called by asyncpg, with each write in a transaction.

A reader of a category gets what lies beyond a position, as its documents say. One category: across
categories it promises no order. It has no projections of its own, so there is no rebuild.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import asyncpg

from tests.benchmarks.load import Measured
from tests.benchmarks.peers import peer
from tests.benchmarks.storing.tail import Tail

NAME = "message-db"
TEXT = "x" * 190
CONNECTIONS, BATCH, POLL_S = 20, 1_000, 0.01
WRITE = "select message_store.write_message($1, $2, 'Counted', $3::jsonb)"
READ = "select id, global_position from message_store.get_category_messages('counter', $1, $2)"


def set_up(url: str) -> None:
    """Run its installer; needs psql."""
    folder = peer(NAME).require() / "node_modules" / "@eventide" / "message-db" / "database"
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    environment = {
        "PATH": os.environ["PATH"],
        "PGHOST": asked["host"][0],
        "PGPORT": asked["port"][0],
        "PGUSER": parts.username or "",
        "PGPASSWORD": parts.password or "",
        "DATABASE_NAME": parts.path[1:],
        "CREATE_DATABASE": "off",
    }
    command = ["bash", str(folder / "install.sh")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@asynccontextmanager
async def _pool(url: str):
    async def search(connection: asyncpg.Connection) -> None:
        await connection.execute("set search_path to message_store, public")

    pool = await asyncpg.create_pool(url, min_size=2, max_size=CONNECTIONS, init=None, setup=search)
    try:
        yield pool
    finally:
        await pool.close()


async def append(url: str, callers: int, seconds: float) -> Measured:
    measured = Measured()
    body = json.dumps({"n": 1, "text": TEXT})
    async with _pool(url) as pool:
        began = time.perf_counter()

        async def call() -> None:
            while (sent := time.perf_counter()) < began + seconds:
                await pool.execute(WRITE, str(uuid4()), f"counter-{uuid4()}", body)
                measured.latencies.append(time.perf_counter() - sent)

        await asyncio.gather(*(call() for _ in range(callers)))
        measured.elapsed_s = time.perf_counter() - began
    return measured


async def tail(url: str, writers: int, seconds: float) -> Tail:
    found = Tail()
    body = json.dumps({"n": 1, "text": TEXT})
    async with _pool(url) as pool:
        until = time.perf_counter() + seconds

        async def write() -> None:
            while (began := time.perf_counter()) < until:
                stream, ids = f"counter-{uuid4()}", [str(uuid4()) for _ in range(3)]
                async with pool.acquire() as connection, connection.transaction():
                    for each in ids:
                        await connection.execute(WRITE, each, stream, body)
                for each in ids:
                    found.wrote(each, began)

        async def follow() -> None:
            after = 1
            while True:
                rows = await pool.fetch(READ, after, BATCH)
                for event_id, position in rows:
                    found.saw(event_id)
                    after = position + 1
                if len(rows) < BATCH:
                    await asyncio.sleep(POLL_S)

        reader = asyncio.create_task(follow())
        await asyncio.gather(*(write() for _ in range(writers)))
        await found.settle(seconds)
        reader.cancel()
    return found
