"""The programme of `make torture`: the scenarios of this folder, on one ledger, amid kills.

All but those in `AFTER` run at once. A scenario is a file with
`async def run(stage) -> list[Finding]`. It may start processes to be killed (`stage.start`),
watches until `stage.quiet` is set, and returns its findings. The summary is printed at the end; a
fault other than 0 exits with status 1.
"""

import asyncio
import logging
import os
import pkgutil
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from events.database import connect_pool
from events.store import Log
from service.ops.logs import configure_logs
from tests import postgres
from tests.kit.duration import SECONDS, SETTING
from tests.kit.killer import Killer
from tests.kit.writer import register_flow
from tests.torture.stage import Finding, Stage

LOAD = 0.5
"""The share of the time in which the load must end: tests before and judgement after take some."""

AFTER = ("rebuilds", "readiness", "tail_loss", "silent_connections", "restores")
"""The scenarios that have the machine for themselves, in turn, when all others have judged."""

NO_SCENARIO = {"__main__", "stage", "test_summary", *AFTER}


def scenarios() -> list[str]:
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(name for name in names if name not in NO_SCENARIO)


async def perform(stage: Stage) -> list[Finding]:
    async def act(name: str) -> list[Finding]:
        found = await import_module(f"tests.torture.{name}").run(stage)
        print(f"  {name} is done", flush=True)
        return found

    async with asyncio.TaskGroup() as group:
        acts = [group.create_task(act(name), name=name) for name in scenarios()]
    await stage.end()
    found = [finding for each in acts for finding in each.result()]
    for name in AFTER:
        found += await act(name)
    return found


async def torture(cluster: postgres.OwnCluster, folder: Path) -> list[Finding]:
    await postgres.migrate_whole(cluster.url)
    pool = await connect_pool(cluster.url)
    await register_flow(Log(pool))
    await pool.close()
    killer = Killer(int(os.environ.get("FLOWLEDGER_TORTURE_SEED") or 0) or None)
    deadline = asyncio.get_running_loop().time() + SECONDS * LOAD
    stage = Stage(cluster, folder, killer, deadline)
    print(f"torture, seed {killer.seed}: {stage.events:,} events, {stage.kills} kills,", end=" ")
    print(f"{SECONDS:,.0f} s at most", flush=True)
    try:
        found = await perform(stage)
    finally:
        await stage.end()
    short = [Finding("events short of the wanted", max(0, stage.events - await stage.head()))]
    return [
        *found,
        *short,
        Finding("kills short of the wanted", stage.kills - killer.kills.total()),
    ]


def summarise(found: list[Finding], folder: Path, took_s: float) -> int:
    faulty = any(finding.fault and finding.value for finding in found)
    if faulty:
        complain(folder)  # before the summary, whose faults are to be read first
    print(f"\n{'':12}seconds in all {took_s:>20,.0f}")
    for finding in found:
        wrong = finding.fault and finding.value
        print(f"{'FAULT' if wrong else '':12}{finding.label:<52}{finding.value:>14,}")
    return int(faulty)


def complain(folder: Path) -> None:
    """Print what the processes complained of last."""
    for file in sorted(folder.glob("*.errors")):
        if text := file.read_text():
            print(f"\n{file.name}:\n{text[-2000:]}", flush=True)


def main() -> int:
    configure_logs(format="console", level="error")
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)  # it complains of each of our kills
    if not SECONDS:
        print(f"set {SETTING} to the seconds this may take, as `make torture` does")
        return 2
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="flowledger-torture-") as name,
        postgres.own_cluster() as cluster,
    ):
        try:
            found = asyncio.run(torture(cluster, Path(name)))
        except BaseException:
            complain(Path(name))
            raise
        return summarise(found, Path(name), time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
