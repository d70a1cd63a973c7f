"""What is measured inside one process: an event until all read models show it, a check of a key."""

from __future__ import annotations

import asyncio
import secrets
import time

from events.batcher import Batcher
from events.database import connect_pool
from events.envelope import AppendRequest, AppendResult
from events.store import Log
from projections.live.checkpoints import Checkpoints
from service.auth.credentials import Credentials
from service.serving import tune_garbage_collection
from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.load import Measured
from tests.postgres import migrate_whole
from tests.projections.conftest import NAMES, opened, working
from tests.projections.histories import ONE, History, requests

US = "flowledger"
PATIENCE_S = 30.0
CHECKS, CHECK_ROUNDS = 100_000, 5


async def visible(url: str, per_s: int, seconds: float) -> Figure:
    """A steady stream of starts: from the call of append until every read model shows the run.

    The stream does not wait for answers: what falls behind has its waiting counted.
    """
    await migrate_whole(url)
    measured = Measured()
    first, *waiting = _starts(int(per_s * seconds) + 2)
    async with opened(url) as ledger:
        batcher = Batcher(ledger.log)
        batcher.on_commit(ledger.feed.wake)
        checkpoints = Checkpoints(ledger.read, runner := ledger.runner())

        async def follow(request: AppendRequest) -> None:
            sent = time.perf_counter()
            appended: AppendResult = await batcher.append(request)
            shown = await checkpoints.wait(appended.last_position, NAMES, PATIENCE_S)
            measured.latencies.append(time.perf_counter() - sent)
            measured.errors += not shown

        tune_garbage_collection()
        async with working(runner.run()), working(batcher.run()):
            await follow(first)
            measured.latencies.clear()
            began = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for number, request in enumerate(waiting):
                    await asyncio.sleep(began + number / per_s - time.perf_counter())
                    group.create_task(follow(request))
            measured.elapsed_s = time.perf_counter() - began
    return figure(US, [measured])


def _starts(count: int) -> list[AppendRequest]:
    history = History()
    history.register("example.EXTERNAL", ONE, executor="external")
    for number in range(1, count):
        history.queue(number, "example.EXTERNAL")
    return requests(history.events)


async def credential(url: str) -> Figure:
    """Checks of a token that was presented before, one after the other."""
    await migrate_whole(url)
    pool = await connect_pool(url)
    credentials = Credentials(pool, Log(pool), secrets.token_bytes(32))
    await credentials.start()
    made = await credentials.create(tenant="acme", role="operator", name="bench")
    await credentials.by_token(made.token)
    rates = []
    for _ in range(CHECK_ROUNDS):
        began = time.perf_counter()
        for _ in range(CHECKS):
            await credentials.by_token(made.token)
        rates.append(CHECKS / (time.perf_counter() - began))
    await pool.close()
    return Figure(US, sorted(rates)[len(rates) // 2], rounds_per_s=rates)
