"""A process that applies the log to the read models: `python -m tests.kit.projector URL`."""

import asyncio
import sys

from events.database import connect_pool
from events.errors import LogUnavailable
from events.follow import Feed
from events.store import Log
from projections.flow_versions import FlowVersions
from projections.live.runner import Runner
from projections.registry import discover
from tests.events.builders import running
from tests.kit.reader import again


async def main(url: str) -> None:
    while True:
        try:
            pool = await connect_pool(url, max_size=4)
            break
        except LogUnavailable:
            await asyncio.sleep(0.1)
    log = Log(pool)
    feed = Feed(log)
    runner = Runner(feed, pool.database, discover(), FlowVersions(log))
    async with running(again(feed.run), runner.run()):
        await asyncio.to_thread(sys.stdin.readline)  # nobody is left running by a test that failed


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
