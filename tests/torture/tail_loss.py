"""Puts an earlier data directory back under two serving processes, again and again.

It runs after the other scenarios, on a cluster of its own.
"""

from __future__ import annotations

import asyncio
import time

import asyncpg

from service.serving import REPLACED_STATUS
from tests.acceptance.ledger import Ledger, Process
from tests.acceptance.test_lost_tail import DOUBLED_NUMBERS, PHANTOM_ROWS, Load, ended, reason_of
from tests.kit.duration import times
from tests.postgres import OwnCluster, own_cluster
from tests.torture.stage import Finding, Stage

NOTICED_S = 5.0


async def run(stage: Stage) -> list[Finding]:
    folder = stage.folder / "tail_loss"
    folder.mkdir()
    with own_cluster() as cluster:
        ledger = Ledger(cluster.url, folder)
        try:
            await asyncio.to_thread(ledger.set_up)
            rounds = range(times(short=1, full=8))
            noticed_s = [each for n in rounds for each in await _lose(ledger, cluster, n)]
            # What a new start makes of it.
            process = await ledger.serve()
            load = Load(ledger, [process])
            async with load.running():
                await load.more(150)
            connection = await asyncpg.connect(cluster.url)
            doubled = await connection.fetch(DOUBLED_NUMBERS)
            phantoms = await connection.fetch(PHANTOM_ROWS)
            await connection.close()
        finally:
            ledger.close()
    late = sum(seconds is None or seconds > NOTICED_S for seconds in noticed_s)
    return [
        Finding("processes whose log lost its tail", len(noticed_s)),
        Finding("longest until noticed, s", round(max(s or 999 for s in noticed_s), 1)),
        Finding("losses not noticed within 5 s", late, fault=True),
        Finding("rows of runs that no log has", len(phantoms), fault=True),
        Finding("run numbers given twice", len(doubled), fault=True),
    ]


async def _lose(ledger: Ledger, cluster: OwnCluster, number: int) -> list[float | None]:
    """Put a copy back under two processes; return when each noticed, None if it did not."""
    copy = ledger.folder / f"saved {number}"
    processes = [await ledger.serve(), await ledger.serve()]
    load = Load(ledger, processes)
    async with load.running():
        await load.more(50)
        await asyncio.to_thread(cluster.save, copy)
        await load.more(150)
        await asyncio.to_thread(cluster.put_back, copy)
        there = time.monotonic()

        async def watch(process: Process) -> float:
            await reason_of(process)
            return time.monotonic() - there

        seconds = await asyncio.gather(*map(watch, processes))
    statuses = [await ended(process) for process in processes]
    return [
        each if status == REPLACED_STATUS else None
        for each, status in zip(seconds, statuses, strict=True)
    ]
