"""Whether a larger log is slower: appends, reads and lists on ledgers of different sizes."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from tests.benchmarks import filling, stage
from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.serving import ours as served
from tests.benchmarks.serving import rounds
from tests.benchmarks.storing import ours

CALLERS, APPENDS = 16, 10_000
CONNECTIONS, ROUNDS = 8, 3


async def measure(admin: str, runs: int, seconds: float) -> list[Figure]:
    """Appends to a copy of the filled ledger, then reads of it over HTTP."""
    url = await filling.ours(admin, runs)
    events = await stage.value(url, "select position from log.head")
    size = await stage.value(url, "select pg_database_size(current_database())")
    appended = replace(
        await _appends(admin, runs),
        more={"events": events, "bytes_a_run": size // runs},
    )
    print(f"  append of {events:,} events: p99 {appended.p99_ms:.1f} ms", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        async with rounds.subjects(admin, Path(folder), runs, [served]) as found:
            reads = [
                replace(each, subject=operation)
                for operation in ("status", "list", "list filtered")
                for each in await rounds.rounds(
                    found, operation, connections=CONNECTIONS, count=ROUNDS, seconds=seconds
                )
            ]
    return [appended, *reads]


async def _appends(admin: str, runs: int) -> Figure:
    """To a copy, since the read models have no use for these events."""
    url = await filling.copied(admin, runs, "store")
    await ours.append(url, ours.requests(APPENDS // 4), CALLERS)
    taken = [await ours.append(url, ours.requests(APPENDS), CALLERS) for _ in range(ROUNDS)]
    await stage.drop(admin, "store")
    return figure("append", taken)
