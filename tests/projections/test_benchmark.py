"""How fast one process applies events to all five read models, beside a COPY of the same events,
and how soon an event can be read under a steady stream (goal: p99 under 50 ms at 2,000 a second).

.venv/bin/pytest tests/projections/test_benchmark.py -m benchmark -s -n 0
"""

import asyncio
import time

import asyncpg
import pytest

from events import types
from events.batcher import Batcher
from projections.live.checkpoints import Checkpoints
from service.serving import tune_garbage_collection
from tests.projections.conftest import NAMES, working
from tests.projections.histories import ONE, History, requests

EVENTS = 20_000
"""What a feed keeps at hand, so that the runner alone is measured and not the reading."""


def starts() -> History:
    history = _registered()
    for number in range(1, EVENTS):
        history.queue(number, "example.EXTERNAL")
    return history


def lives() -> History:
    """Runs from start to end, a hundred at a time."""
    history = _registered()
    for first in range(1, EVENTS // 5, 100):
        runs = range(first, first + 100)
        for number in runs:
            history.queue(number, "example.EXTERNAL")
        for number in runs:
            history.tell(types.RUN_STARTED, number)
            history.tell(types.TASK_STARTED, number, task="LOAD", attempt=1)
        for number in runs:
            history.tell(types.TASK_SUCCEEDED, number, task="LOAD", metrics={"rows": 5})
            history.tell(types.RUN_SUCCEEDED, number)
    return history


def _registered() -> History:
    history = History()
    history.register("example.EXTERNAL", ONE, executor="external")
    return history


@pytest.mark.benchmark
@pytest.mark.parametrize("told", [starts, lives])
async def test_events_per_second_through_all_read_models(ledger, told):
    history = told()
    head = await _write(ledger, history)
    copied = await _copy(ledger)
    checkpoints = Checkpoints(ledger.read, runner := ledger.runner())
    tune_garbage_collection()
    began = time.perf_counter()
    async with working(runner.run()):
        assert await checkpoints.wait(head, NAMES, 100)
        applied = head / (time.perf_counter() - began)

    print(  # noqa: T201 - what a benchmark prints is what it is for
        f"\n{told.__name__}: {applied:,.0f} events/s through {len(NAMES)} read models,"
        f" COPY {copied:,.0f} events/s, ratio {applied / copied:.3f}"
    )


async def _write(ledger, history) -> int:
    for start in range(0, len(history.events), 1000):
        part = History()
        part.events = history.events[: start + 1000]
        head = await ledger.write(part, after=start)
    assert await ledger.feed.wait_for(head, 60)
    return head


async def _copy(ledger) -> float:
    """Events a second that COPY writes into a table like the log's, indexes and all."""
    connection = await asyncpg.connect(ledger.url)
    await connection.execute("create table public.copy_targets (like log.events including all)")
    rows = await connection.fetch("select * from log.events order by position")
    records = [tuple(row) for row in rows]
    began = time.perf_counter()
    await connection.copy_records_to_table("copied", schema_name="public", records=records)
    took = time.perf_counter() - began
    await connection.close()
    return len(records) / took


PER_S = 2_000
"""Events a second that are appended, whether or not those before them can be read yet."""


@pytest.mark.benchmark
async def test_an_event_is_visible_soon_after_its_append(ledger):
    """Acceptance S-5: until every read model shows it, and until one does; a steady stream."""
    history = starts()
    first, *waiting = requests(history.events[: PER_S * 5])
    batcher = Batcher(ledger.log)
    batcher.on_commit(ledger.feed.wake)
    checkpoints = Checkpoints(ledger.read, runner := ledger.runner())
    late: list[int] = []
    taken: dict[str, list[float]] = {}
    tune_garbage_collection()

    def note(what: str, seconds: float) -> None:
        taken.setdefault(what, []).append(seconds)

    async def shown(position: int, names: tuple[str, ...], what: str, called: float) -> None:
        answered = time.perf_counter()
        if not await checkpoints.wait(position, names, 10):
            late.append(position)
        note(f"call to {what}", time.perf_counter() - called)
        note(f"answer to {what}", time.perf_counter() - answered)

    async def follow(request) -> None:
        called = time.perf_counter()
        position = (await batcher.append(request)).last_position
        note("call to answer", time.perf_counter() - called)
        await asyncio.gather(
            shown(position, ("executions",), "visible in executions", called),
            shown(position, NAMES, "visible in every read model", called),
        )

    async with working(runner.run()), working(batcher.run()):
        await follow(first)
        taken.clear()
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for number, request in enumerate(waiting):
                await asyncio.sleep(began + number / PER_S - asyncio.get_running_loop().time())
                group.create_task(follow(request))
    assert late == []
    print(f"\n{PER_S:,} events/s")  # noqa: T201 - as above
    for what, times in sorted(taken.items()):
        times.sort()
        p50, p99 = (times[int(len(times) * share)] * 1000 for share in (0.5, 0.99))
        print(f"  {what:40} p50 {p50:6.1f} ms  p99 {p99:6.1f} ms")  # noqa: T201 - as above
