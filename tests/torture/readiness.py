"""Goes through the faults of a database under starts, and asks whether a process says so.

It runs after the other scenarios, on a cluster of its own: a fault would end their load.
"""

import asyncio
import time
from pathlib import Path

from tests.acceptance.ledger import Ledger
from tests.kit.duration import times
from tests.kit.readiness import FAULTS, TOLD_WITHIN_S, Watch
from tests.postgres import OwnCluster, own_cluster
from tests.torture.stage import Finding, Stage

FLOW = "example.EXTERNAL"
FAULT_S = TOLD_WITHIN_S + 2
"""How long a fault lasts."""


async def run(stage: Stage) -> list[Finding]:
    folder = stage.folder / "readiness"
    folder.mkdir()
    with own_cluster() as cluster:
        watch, returns_s = await _watched(cluster, folder)
    return [
        Finding("faults of the database, in turn", len(returns_s)),
        Finding("runs started between faults", watch.started),
        Finding("slowest answer of readiness, ms", round(watch.slowest_answer_s * 1000)),
        Finding("longest return to ready, s", round(max(returns_s), 1)),
        Finding("s of ready while a start fails for over 3 s", round(watch.wrong_s, 1), fault=True),
    ]


async def _watched(cluster: OwnCluster, folder: Path) -> tuple[Watch, list[float]]:
    ledger = Ledger(cluster.url, folder)
    try:
        await asyncio.to_thread(ledger.set_up)
        address = (await ledger.serve()).url
        async with Watch(address, ledger.key["token"], FLOW).running() as watch:
            returns_s = [
                await _suffer(watch, cluster, name)
                for _ in range(times(short=1, full=5))
                for name in FAULTS
            ]
        return watch, returns_s
    finally:
        ledger.close()


async def _suffer(watch: Watch, cluster: OwnCluster, name: str) -> float:
    """Bring a fault about and end it; return the seconds until the process is ready again."""
    await watch.until_started()
    await watch.until_ready()
    async with FAULTS[name](cluster):
        await asyncio.sleep(FAULT_S)
    ended = time.monotonic()
    await watch.until_started()
    await watch.until_ready()
    return time.monotonic() - ended
