"""How fast a rebuild is, beside a COPY of the same events into a table like the log's.

.venv/bin/pytest tests/projections/rebuild/test_benchmark.py -m benchmark -s -n 0
"""

import os
import resource
import time

import asyncpg
import pytest

from events import types
from tests.projections.histories import TREE, History
from tests.projections.rebuild.conftest import rebuilt
from tests.waiting import until

EVENTS = int(os.environ.get("FLOWLEDGER_BENCHMARK_EVENTS", "1000000"))
GOALS = {"executions": 3, "load_plans": 6}


class Endless(History):
    """A history of which only what is not yet written is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0

    async def flush(self, ledger) -> None:
        await ledger.write(self)
        self.written += len(self.events)
        self.events.clear()

    def _add(self, *args, **more):
        event = super()._add(*args, **more)
        # An id of its own, also after those before were let go.
        self.events[-1] = event._replace(event_id=_id(self.written + len(self.events)))
        return self.events[-1]


def _id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


@pytest.fixture
async def full(able):
    """Runs from start to end, nine events each, a hundred at a time."""
    history, number = Endless(), 0
    history.register("example.PLAN", TREE, executor="external")
    while history.written < EVENTS:
        for _ in range(5):
            _hundred(history, number)
            number += 100
        await history.flush(able)
    head = await able.log.head()
    # What answers is current, as it is where a service runs.
    async with able.applying() as runner:
        await until(lambda: all(runner.positions.get(f"{n}_v1", 0) >= head for n in GOALS), 600)
    return able, head


def _hundred(history, first) -> None:
    runs = range(first + 1, first + 101)
    for number in runs:
        history.queue(number, "example.PLAN")
        history.tell(types.RUN_STARTED, number)
    for task in ("T1", "T2", "T3"):
        for number in runs:
            history.tell(types.TASK_STARTED, number, task=task, attempt=1)
            history.tell(types.TASK_SUCCEEDED, number, task=task, metrics={"rows": 5})
    for number in runs:
        history.tell(types.RUN_SUCCEEDED, number)


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
async def test_rebuild_speed_against_a_plain_copy(full, tmp_path):
    ledger, head = full
    copied_s = await _copied_s(ledger, tmp_path / "events")
    for name, goal in GOALS.items():
        began = time.perf_counter()
        done = await rebuilt(ledger, name, workers=2)
        took_s = time.perf_counter() - began
        workers_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(  # noqa: T201 - what a benchmark prints is what it is for
            f"\n{name}: {head} events in {took_s:.1f} s, {head / took_s:,.0f}/s,"
            f" {took_s / copied_s:.1f} times a COPY ({copied_s:.1f} s; goal {goal}),"
            f" checkpoint held {done.result['held_ms']} ms, largest worker {workers_mib:.0f} MiB"
        )


async def _copied_s(ledger, file) -> float:
    """Seconds that COPY takes to write the events into a table like the log's, indexes and all."""
    connection = await asyncpg.connect(ledger.url)
    await connection.execute("create table public.copy_targets (like log.events including all)")
    query = "select * from log.events order by position"
    await connection.copy_from_query(query, output=file, format="binary")
    began = time.perf_counter()
    await connection.copy_to_table("copied", schema_name="public", source=file, format="binary")
    took_s = time.perf_counter() - began
    await connection.close()
    return took_s
