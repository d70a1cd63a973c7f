"""A writing transaction left open in another database stalls no reader."""

import asyncio
import contextlib

import asyncpg

from events.database import DRIVER_ERRORS
from tests.events.builders import running
from tests.kit.reader import Tally, caught_up, follow_polling
from tests.postgres import at
from tests.torture.stage import Finding, Stage


async def run(stage: Stage) -> list[Finding]:
    elsewhere = at(stage.url, "elsewhere")
    admin = await asyncpg.connect(stage.url)
    await admin.execute("create database elsewhere")
    await admin.close()
    tally, opened = Tally(), 0
    async with running(follow_polling(stage.url, tally)):
        while not stage.quiet.is_set():
            with contextlib.suppress(*DRIVER_ERRORS):
                opened += await hold(stage, elsewhere, tally)
            await asyncio.sleep(0.2)
    return [
        Finding("writing transactions held open in another database", opened),
        Finding("events a reader had meanwhile", tally.seen),
        Finding("lost beside them", tally.figures(range(1, tally.last + 1)).lost, fault=True),
    ]


async def hold(stage: Stage, url: str, tally: Tally) -> int:
    """Hold it until the load is over or a kill ends it; a reader has the head all the same."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("create table if not exists kept (a int)")
        await connection.execute("begin; insert into kept values (1)")
        while not stage.quiet.is_set():
            await connection.execute("select 1")
            await asyncio.sleep(0.5)
        await caught_up(tally, await stage.head())
        return 1
    finally:
        with contextlib.suppress(*DRIVER_ERRORS):
            await connection.close(timeout=1)
