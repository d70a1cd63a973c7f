"""A rebuild gives what the log says, while the current version serves, and switches over."""

import asyncio

import pytest

from projections.bulk import segments
from projections.errors import RebuildRefused
from projections.rebuild.rollback import drop_previous_version, roll_back
from projections.registry import serving_numbers, status
from tests.projections.conftest import NAMES
from tests.projections.histories import History
from tests.projections.rebuild.conftest import BY_NAME, OPTIONS, busy_ledger, rebuilt, told
from tests.waiting import until

DOCUMENTS = 4_001


@pytest.mark.parametrize("name", NAMES)
async def test_rebuilt_version_equals_the_live_one_row_by_row(able, name, monkeypatch):
    monkeypatch.setattr(segments, "MAX_EVENTS", 100)
    monkeypatch.setattr(segments, "BUCKET_SIZE", 10)
    async with busy_ledger(able) as (history, runner):
        done = await rebuilt(able, name, workers=2)

        assert (done.phase, done.new_version) == ("finished", 2)
        assert (await serving_numbers(able.pool))[name] == 2
        assert done.result["alike"] is True
        assert await able.tables(BY_NAME[name], 2) == await able.tables(BY_NAME[name], 1)
        history.queue(1000)
        head = await able.write(history, after=len(history.events) - 1)
        await until(lambda: runner.positions.get(f"{name}_v2", 0) >= head)
        await until(lambda: runner.positions.get(f"{name}_v1", 0) >= head)
        assert await able.tables(BY_NAME[name], 2) == await able.tables(BY_NAME[name], 1)
    assert [(e["type"], e["actor"], e["version"]) for e in await told(able)] == [
        ("RebuildStarted", "ann", 2),
        ("RebuildFinished", "ann", 2),
    ]


async def test_rollback_is_immediate_and_the_previous_version_is_current(able):
    async with busy_ledger(able) as (history, _):
        await rebuilt(able, "listings")
        history.queue(2000)
        await able.write(history, after=len(history.events) - 1)
        back = await asyncio.wait_for(roll_back(able.url, "listings", OPTIONS), 5)

        assert (back.phase, back.from_version, back.new_version) == ("finished", 2, 1)
        assert (await serving_numbers(able.pool))["listings"] == 1
        rows = {row["version"]: row for row in await status(able.pool) if row["name"] == "listings"}
        assert rows[1]["position"] >= rows[2]["position"] - 1
    finished = [e for e in await told(able) if e["type"] == "RebuildFinished"]
    assert [(e["outcome"], e["version"]) for e in finished] == [("replaced", 2), ("rolled back", 1)]


async def test_first_version_cannot_be_rolled_back(able):
    with pytest.raises(RebuildRefused, match="no way back"):
        await roll_back(able.url, "executions", OPTIONS)


async def test_version_kept_for_a_rollback_can_be_dropped(able):
    async with busy_ledger(able) as (_, runner):
        await rebuilt(able, "dispatch")
        assert await drop_previous_version(able.url, "dispatch") == "dispatch_v1"
        runner.notify()
        await until(lambda: "dispatch_v1" not in runner.states)
        assert await drop_previous_version(able.url, "dispatch") is None


@pytest.mark.parametrize("name", ["executions", "workflows"])
async def test_rebuild_during_appends_misses_no_document(able, name):
    """The scenario in which emmett's rebuild left 325 of 4,001 documents out."""
    history = History()
    history.register()
    for number in range(1, DOCUMENTS // 2):
        history.queue(number)
    head = await able.write(history)
    async with able.applying() as runner:
        await able.reach(head)
        writing = asyncio.create_task(_write_on(able, history))
        done = await rebuilt(able, name, workers=2)
        head = await writing
        await until(lambda: runner.positions.get(f"{name}_v2", 0) >= head)

    assert done.phase == "finished"
    count = await able.pool.fetchval(f"select count(*) from {name}_v2.{name}")
    assert count == DOCUMENTS
    assert await able.tables(BY_NAME[name], 2) == await able.tables(BY_NAME[name], 1)


async def _write_on(ledger, history) -> int:
    for first in range(DOCUMENTS // 2, DOCUMENTS + 1, 25):
        before = len(history.events)
        for number in range(first, min(first + 25, DOCUMENTS + 1)):
            history.queue(number)
        head = await ledger.write(history, after=before)
    return head
