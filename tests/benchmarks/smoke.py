"""One minute that catches a slow regression: ratios to the limits, judged at half of each goal.

A neighbour slows one side and then the other: rounds of ours and of the limit take turns, the best
of each side counts, which is the least disturbed, and a ratio that is too low gets more rounds
before it is believed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from service.embedded import open_cluster
from tests.benchmarks import stage
from tests.benchmarks.goals import APPEND, START, STATUS
from tests.benchmarks.load import measure
from tests.benchmarks.serving import limit, ours
from tests.benchmarks.serving.subject import Subject
from tests.benchmarks.storing import ours as store
from tests.events.test_speed import copy, drop_copied, rows_to_copy

FEWEST, MOST = 3, 8
SECONDS = 1.5
CALLERS, EVENTS = 256, 20_000
Round = Callable[[], Awaitable[float]]


@dataclass(frozen=True)
class Verdict:
    """What the rounds of one ratio came to: rates a second."""

    title: str
    goal: float
    mine: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return max(self.mine) / max(self.theirs)

    @property
    def good(self) -> bool:
        """Whether it is at half of the goal, at least."""
        return self.ratio >= self.goal / 2

    def __str__(self) -> str:
        return (
            f"{self.title:52} {self.ratio:5.2f}  goal {self.goal:.2f}"
            f"  {'ok' if self.good else 'BELOW HALF OF THE GOAL'}"
            f"  ({max(self.mine):,.0f} of {max(self.theirs):,.0f}/s, {len(self.mine)} rounds)"
        )


async def judge(title: str, goal: float, mine: Round, theirs: Round) -> Verdict:
    """Let both take turns until the verdict is good, or no more rounds are left."""
    of_mine: list[float] = []
    of_theirs: list[float] = []
    while True:
        of_theirs.append(await theirs())
        of_mine.append(await mine())
        verdict = Verdict(title, goal, tuple(of_mine), tuple(of_theirs))
        if len(of_mine) >= MOST or (verdict.good and len(of_mine) >= FEWEST):
            return verdict


async def smoke(admin: str, folder: Path) -> list[Verdict]:
    """Durable starts and status reads beside a bare handler, appends beside COPY."""
    async with limit.serving(admin, folder, 0) as bare, ours.serving(admin, folder, 0) as ledger:
        found = [
            await judge(
                f"{operation}, {connections} connections, of bare aiohttp",
                goal,
                _http(ledger, operation, connections),
                _http(bare, operation, connections),
            )
            for operation, connections, goal in (
                ("start", 256, START),
                ("status of Etlworks", 64, STATUS),
            )
        ]
    return [*found, await _appends(await stage.ledger(admin, "appends"))]


def _http(subject: Subject, operation: str, connections: int) -> Round:
    async def per_s() -> float:
        sent = await subject.operations[operation](0)
        taken = await measure(
            subject.port, sent, connections=connections, seconds=SECONDS, warm_s=0.3
        )
        assert not taken.errors, f"{subject.name} answered {taken.errors} times with an error"
        return taken.per_s

    return per_s


async def _appends(url: str) -> Verdict:
    owner = await asyncpg.connect(url)

    async def appended() -> float:
        return (await store.append(url, store.requests(EVENTS), CALLERS)).per_s

    async def copied() -> float:
        rows = await rows_to_copy(owner)
        per_s = EVENTS / await stage.seconds(copy(owner, rows))
        await drop_copied(owner)
        return per_s

    await appended()  # what is copied are the rows of an append
    try:
        return await judge(f"append, {CALLERS} callers, of COPY", APPEND, appended, copied)
    finally:
        await owner.close()


@contextmanager
def own_postgres() -> Iterator[tuple[str, Path]]:
    """A Postgres for this once, as the embedded one is by default, and a folder."""
    with tempfile.TemporaryDirectory(prefix="flowledger-smoke-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        cluster = open_cluster(folder / "home")
        cluster.start()
        try:
            yield cluster.url, folder
        finally:
            cluster.stop()
