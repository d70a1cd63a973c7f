"""Whether a larger log is slower: appends, reads and lists on ledgers of several sizes."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tests.benchmarks import filling, stage
from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.load import Measured
from tests.benchmarks.serving import ours as served
from tests.benchmarks.serving import rounds
from tests.benchmarks.serving.subject import Subject
from tests.benchmarks.storing import ours

CALLERS, APPENDS = 16, 10_000
CONNECTIONS, ROUNDS = 8, 5
READS = ("status", "list", "list filtered")


async def measure(admin: str, sizes: Sequence[int], seconds: float) -> dict[int, list[Figure]]:
    """Appends to copies of the filled ledgers, then reads of them over HTTP, by runs."""
    appends = await _appends(admin, sizes)
    found = {runs: [await _appended(admin, runs, appends[runs])] for runs in sizes}
    async with _serving(admin, sizes) as subjects:
        for operation in READS:
            taken = await rounds.rounds(
                subjects, operation, connections=CONNECTIONS, count=ROUNDS, seconds=seconds
            )
            for runs, each in zip(sizes, taken, strict=True):
                found[runs].append(replace(each, subject=operation))
    return found


async def _appended(admin: str, runs: int, taken: Iterable[Measured]) -> Figure:
    url = await filling.ended(admin, runs)
    events = await stage.value(url, "select position from log.head")
    size = await stage.value(url, "select pg_database_size(current_database())")
    return figure("append", taken, events=events, bytes_a_run=size // runs)


async def _appends(admin: str, sizes: Sequence[int]) -> dict[int, list[Measured]]:
    """To copies, since the read models have no use for these events."""
    copies = {runs: await filling.copied(admin, f"store_{runs}", runs) for runs in sizes}
    taken: dict[int, list[Measured]] = {runs: [] for runs in sizes}
    for url in copies.values():
        await ours.append(url, ours.requests(APPENDS // 4), CALLERS)
    for _ in range(ROUNDS):
        for runs, url in copies.items():
            each = await ours.append(url, ours.requests(APPENDS), CALLERS)
            print(f"  append {CALLERS:12}  {runs:,} runs {each}", flush=True)
            taken[runs].append(each)
    for runs in sizes:
        await stage.drop(admin, f"store_{runs}")
    return taken


@asynccontextmanager
async def _serving(admin: str, sizes: Sequence[int]) -> AsyncIterator[list[Subject]]:
    """A service on each ledger, named by its runs."""
    async with AsyncExitStack() as stack:
        found = []
        for runs in sizes:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            serving = rounds.held(served.on(await filling.ended(admin, runs), folder))
            found.append(replace(await stack.enter_async_context(serving), name=f"{runs:,} runs"))
        yield found
