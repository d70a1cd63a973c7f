"""Runners in processes of their own are killed at any moment: each event counts once."""

import signal

import pytest

from projections.registry import discover
from tests.kit.duration import times
from tests.kit.killer import Killer
from tests.kit.processes import Process
from tests.kit.read_models import compare
from tests.kit.writer import register_flow
from tests.projections.conftest import Ledger
from tests.waiting import until

# In dispatch there is no row once all runs have ended.
NAMES = [projection.name for projection in discover() if projection.name != "dispatch"]
POINTS = (
    "before projections.live.projector.Projector._fold",
    "before projections.live.projector.Projector._store",
    "after projections.live.projector.Projector._store",
)


@pytest.fixture
async def load(ledger: Ledger, tmp_path):
    """A writer of runs at work until the test says `finish`."""
    await register_flow(ledger.log)
    writer = Process("tests.kit.writer", ledger.url, str(tmp_path / "notes"))
    await writer.start()
    yield writer
    await writer.kill()


@pytest.mark.torture
async def test_rows_equal_a_plain_fold_after_repeated_kills(ledger, load):
    """Acceptance P-1."""
    killer = Killer()
    projectors = [Process("tests.kit.projector", ledger.url) for _ in range(2)]
    for projector in projectors:
        await projector.start()
    for _ in range(times(4, 40)):
        before = await ledger.state("executions")
        await until(lambda: _moved(ledger, before))  # noqa: B023 - awaited within the turn
        await killer.pause(0.1)
        await (await killer.process(projectors)).start()
    assert await load.finish() == 0
    await ledger.reach(await ledger.log.head())
    for projector in projectors:
        await projector.kill()
    found = await compare(ledger.url)
    assert found.rows > 100
    assert found.differing == 0


async def _moved(ledger, before) -> bool:
    return (await ledger.state("executions"))["position"] > before["position"]


@pytest.mark.parametrize("point", POINTS)
async def test_next_process_continues_after_a_kill_at_each_step_of_a_batch(ledger, load, point):
    """Acceptance P-1, at named points: before the fold, before and after the statement."""
    assert await load.line() == "writes"
    for call in (1, 7):
        doomed = Process(
            "tests.kit.crash_points", f"{point} {call}", "tests.kit.projector", ledger.url
        )
        await doomed.start()
        assert await doomed.wait() == -signal.SIGKILL
    assert await load.finish() == 0
    async with ledger.applying():
        await ledger.reach(await ledger.log.head())
    assert (await compare(ledger.url)).differing == 0


@pytest.mark.parametrize("name", NAMES)
async def test_comparison_finds_one_edited_and_one_deleted_row(ledger, load, name):
    """The comparison sees: a byte of one document, and a row that is missing."""
    await until(lambda: _has(ledger, 200))
    assert await load.finish() == 0
    async with ledger.applying():
        await ledger.reach(await ledger.log.head())
    assert (await compare(ledger.url)).differing == 0
    table = f"{name}_v1.{name}"
    await ledger.pool.execute(
        f"update {table} set document = document || ' '::bytea"
        f" where ctid = (select min(ctid) from {table})"
    )
    assert (await compare(ledger.url)).differing == 1
    await ledger.pool.execute(f"delete from {table} where ctid = (select max(ctid) from {table})")
    assert (await compare(ledger.url)).differing > 0


async def _has(ledger, events: int) -> bool:
    return await ledger.log.head() >= events
