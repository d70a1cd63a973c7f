"""Append what no client can: an event of a task that the run's plan does not have."""

import asyncio
import os
from uuid import uuid4

from events.codec import encode
from events.database import connect_pool
from events.envelope import AppendRequest, ExpectedVersion, NewEvent, StreamAppend
from events.store import Log
from projections.registry import status
from tests.waiting import until


async def append() -> None:
    pool = await connect_pool(os.environ["FLOWLEDGER_DATABASE_URL"], max_size=1)
    run = await pool.fetchval("select stream from log.events where type = 'RunQueued' limit 1")
    event = NewEvent(str(uuid4()), "TaskStarted", encode({"task": "NOWHERE"}), "somebody")
    stream = StreamAppend(run, ExpectedVersion.EXISTS, (event,))
    await Log(pool).append([AppendRequest("default", (stream,))])

    async def is_paused() -> bool:
        return any(row["state"] == "paused" for row in await status(pool))

    await until(is_paused)
    await pool.close()


asyncio.run(append())
