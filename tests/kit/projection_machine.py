"""State machine for projections: two runners always produce the rows of a plain fold.

They apply batches of any size in any order, drop their caches, restart, and crash between writing
rows and commit, while the log grows.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

import asyncpg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from events.database import connect
from projections.live.projector import Projector
from projections.projection import Projection
from tests.kit import naive
from tests.projections.conftest import Ledger
from tests.projections.histories import ONE, TREE, History
from tests.projections.test_batches import (
    RUN_EVENTS,
    TASK_EVENTS,
    TASKS,
    _apply,
    _empty,
    new_projector,
)

FLOWS = ("example.ETL", "example.PLAN", "example.OUT")
RUNNERS = st.sampled_from([0, 1])
SIZES = st.integers(1, 9)


class Projects(Protocol):
    """A read model with two runners, to be moved step by step."""

    async def begin(self) -> None:
        """Empty it."""

    async def grow(self, run: int, what: tuple[str, Any]) -> None:
        """Append an event: of a run, of its task, or one that queues a new run."""

    async def apply(self, runner: int, size: int) -> None: ...

    async def crash(self, runner: int, size: int) -> None:
        """Write, die before the commit, and start anew."""

    async def forget(self, runner: int, kept: int) -> None: ...

    async def restart(self, runner: int) -> None: ...

    async def differing(self) -> int:
        """Apply what is left, and count the rows that are not those of a plain fold."""

    async def end(self) -> None: ...


class Projecting(RuleBasedStateMachine):
    """Appends, batches, two runners, forgetting, crashes and restarts, in any order."""

    def __init__(self, subject: Projects, loop: asyncio.Runner) -> None:
        super().__init__()
        self._subject = subject
        self._wait = loop.run
        self._wait(subject.begin())

    @rule(run=st.integers(0, 5), kind=RUN_EVENTS)
    def tell_of_a_run(self, run, kind):
        self._wait(self._subject.grow(run, ("run", kind)))

    @rule(run=st.integers(0, 5), kind=TASK_EVENTS)
    def tell_of_a_task(self, run, kind):
        self._wait(self._subject.grow(run, ("task", kind)))

    @rule(run=st.integers(0, 5))
    def queue(self, run):
        self._wait(self._subject.grow(run, ("queue", None)))

    @rule(runner=RUNNERS, size=SIZES)
    def apply(self, runner, size):
        self._wait(self._subject.apply(runner, size))

    @rule(runner=RUNNERS, size=SIZES)
    def crash(self, runner, size):
        self._wait(self._subject.crash(runner, size))

    @rule(runner=RUNNERS, kept=st.sampled_from([0, 2]))
    def forget(self, runner, kept):
        self._wait(self._subject.forget(runner, kept))

    @rule(runner=RUNNERS)
    def restart(self, runner):
        self._wait(self._subject.restart(runner))

    def teardown(self):
        try:
            assert self._wait(self._subject.differing()) == 0
        finally:
            self._wait(self._subject.end())


async def _pretend_head(ledger: Ledger) -> None:
    """Let the log end far ahead: the events of a history are given to projectors by hand."""
    owner = await connect(ledger.url, role=None)
    await owner.execute("update log.head set position = 1000000")
    await owner.close()


class OurProjects:
    """A read model of ours; in one batch, on another database, the same events are the fold."""

    def __init__(self, ledger: Ledger, plain: Ledger, projection: Projection) -> None:
        self._ledger = ledger
        self._plain = plain
        self._projection = projection
        self._runners: list[Projector] = []

    async def begin(self) -> None:
        self._history = History()
        self._history.register(FLOWS[0])
        self._history.register(FLOWS[1], TREE)
        self._history.register(FLOWS[2], ONE, executor="external", timeout_s=9)
        self._runs: list[str] = []
        for fullname in FLOWS:
            self._queue(fullname)
        await _empty(self._ledger, self._projection)
        await _pretend_head(self._ledger)
        self._runners = [await self._new(), await self._new()]

    def _queue(self, fullname: str) -> None:
        self._history.queue(len(self._runs), fullname)
        self._runs.append(fullname)

    async def _new(self) -> Projector:
        return await new_projector(self._ledger, self._projection, self._history)

    async def grow(self, run: int, what: tuple[str, Any]) -> None:
        step, drawn = what
        if step == "queue":
            self._queue(FLOWS[run % 3])
            return
        number = run % len(self._runs)
        kind, data = drawn
        if step == "task":
            tasks = TASKS[self._runs[number]]
            data = {**data, "task": tasks[run % len(tasks)]}
        self._history.tell(kind, number, **data)

    def _batch(self, runner: int, size: int) -> Sequence[Any]:
        position = self._runners[runner].position
        return self._history.events[position : position + size]

    async def apply(self, runner: int, size: int) -> None:
        if batch := self._batch(runner, size):
            await self._runners[runner]._apply(batch)

    async def crash(self, runner: int, size: int) -> None:
        victim = self._runners[runner]
        if batch := self._batch(runner, size):
            await victim._connection.execute("begin")
            await victim._write(batch)
            await victim._connection.execute("rollback")  # what a lost connection comes to
        await self.restart(runner)

    async def forget(self, runner: int, kept: int) -> None:
        cache = self._runners[runner].cache
        cache._capacity = kept
        cache.retain(())

    async def restart(self, runner: int) -> None:
        await self._runners[runner]._connection.close()
        self._runners[runner] = await self._new()

    async def differing(self) -> int:
        last = self._runners[0]
        while batch := self._batch(0, 1000):
            await last._apply(batch)
            assert not last.paused
        whole = [(len(self._history.events), 4_000)]
        await _apply(self._plain, self._projection, self._history, whole)
        tables = await self._ledger.tables(self._projection)
        return int(tables != await self._plain.tables(self._projection))

    async def end(self) -> None:
        for runner in self._runners:
            await runner._connection.close()


class NaiveProjects:
    """The negative: counts per stream, with the checkpoint in a transaction of its own."""

    def __init__(self, url: str, connection: asyncpg.Connection) -> None:
        self._url = url
        self._log = naive.NaiveLog(connection)
        self._projector = naive.Projector(connection)
        self._connection = connection

    async def begin(self) -> None:
        await naive.set_up(self._url)

    async def grow(self, run: int, what: tuple[str, Any]) -> None:
        await self._connection.fetchrow(naive.INSERT, "t", f"s{run}", None, what[0], b"{}")

    async def apply(self, runner: int, size: int) -> None:
        await self._projector.step(size)

    async def crash(self, runner: int, size: int) -> None:
        position = await self._connection.fetchval("select position from naive.checkpoint")
        rows = await self._connection.fetch(naive.GREATER_THAN_LAST_SEEN, position, size)
        await self._projector.write_rows(Counter(row["stream"] for row in rows))

    async def forget(self, runner: int, kept: int) -> None:
        return

    async def restart(self, runner: int) -> None:
        return

    async def differing(self) -> int:
        await self._projector.step(1000)
        return await naive.differing_counts(self._url)

    async def end(self) -> None:
        return
