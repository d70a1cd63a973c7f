"""A service works on with an imported log: read models, keys, run numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from events import store, types
from events.database import load
from events.errors import LogUnavailable
from events.export import importer
from projections.registry import discover
from service.runs.write.number_sequence import NumberBlocks, NumbersExhausted, advance_past
from tests.events.builders import request
from tests.export.transfer import bring, export
from tests.projections.conftest import filled, opened
from tests.projections.histories import TREE, History

SQL = Path(store.__file__).parent / "sql"


def history() -> History:
    """Runs of two flows, each as far as its number takes it."""
    told = History()
    told.register()
    told.register("example.PLAN", TREE)
    for number in range(1, 40):
        told.queue(number, "example.PLAN" if number % 3 else "example.ETL")
        if number % 4:
            told.tell(types.RUN_CLAIMED, number, worker="w", epoch=1)
            told.tell(types.RUN_STARTED, number)
        if number % 4 > 1:
            told.tell(types.RUN_SUCCEEDED, number)
    return told


async def test_read_models_folded_from_both_logs_are_equal(database_url, other_url, pool, tmp_path):
    await filled(database_url, history())
    await export(pool, tmp_path / "one")
    head = (await bring(other_url, tmp_path / "one")).head
    async with opened(database_url) as here, opened(other_url) as there, there.applying():
        await there.reach(head)
        for projection in discover():
            assert await there.tables(projection) == await here.tables(projection)


@pytest.mark.parametrize(
    ("taken", "greatest", "first"), [(0, 1, 101), (0, 100, 101), (0, 101, 201), (3, 50, 301)]
)
async def test_run_numbers_continue_after_the_imported_ones(
    owner, other_pool, taken, greatest, first
):
    for _ in range(taken):
        await NumberBlocks(other_pool).take(1)
    await advance_past(owner, greatest)
    assert await NumberBlocks(other_pool).take(2) == [
        range(first, first + 100),
        range(first + 100, first + 200),
    ]


@pytest.mark.parametrize("greatest", [2147483501, 2**31 - 1])
async def test_start_reports_exhausted_run_numbers_after_import(owner, other_pool, greatest):
    await advance_past(owner, greatest)
    with pytest.raises(NumbersExhausted):
        await NumberBlocks(other_pool).take(1)


async def test_import_advances_run_numbers_past_the_greatest(
    log, pool, other_pool, other_url, tmp_path
):
    for number in (7, 4711, 12):
        await log.append([request(f"run:{number}", 0, type_="RunQueued", run_number=number)])
    await log.append([request("odd", 0, type_="RunQueued", run_number="99999")])
    await export(pool, tmp_path / "one")
    await bring(other_url, tmp_path / "one")
    assert await NumberBlocks(other_pool).take(1) == [range(4801, 4901)]


async def test_database_lost_during_import_leaves_the_ledger_empty(
    log, pool, other_url, owner, tmp_path, monkeypatch
):
    monkeypatch.setattr("events.export.reader.BATCH_EVENTS", 5)
    await log.append([request("a", events=20)])
    await export(pool, tmp_path / "one")
    store_batch = importer._Import._store

    async def store_and_be_cut_off(self, records):
        await store_batch(self, records)
        if records[-1].position == 10:
            pid = self.connection.get_server_pid()
            await owner.execute("select pg_terminate_backend($1)", pid)

    monkeypatch.setattr(importer._Import, "_store", store_and_be_cut_off)
    with pytest.raises(LogUnavailable):
        await bring(other_url, tmp_path / "one")
    assert await owner.fetchval("select count(*) from log.events") == 0
    assert await owner.fetchval("select position from log.head") == 0


async def test_import_whose_last_step_fails_leaves_an_empty_ledger(
    log, pool, other_url, owner, tmp_path
):
    async def fail(_connection):
        raise ZeroDivisionError

    seen = []
    await log.append([request("a", events=20)])
    await export(pool, tmp_path / "one")
    with pytest.raises(ZeroDivisionError):
        await importer.import_log(
            other_url,
            [str(tmp_path / "one")],
            lambda _: None,
            on_records=seen.extend,
            before_commit=fail,
        )
    assert [record.position for record in seen] == list(range(1, 21))
    assert await owner.fetchval("select count(*) from log.events") == 0
    assert await owner.fetchval("select position from log.head") == 0


async def test_export_reads_each_page_by_index(log, app):
    for first in range(0, 6000, 500):
        await log.append([request(f"s{n}", key=f"k{n}") for n in range(first, first + 500)])
    await app.execute("set plan_cache_mode = force_generic_plan")
    await app.execute(f"prepare page (bigint, bigint, bigint) as {load(SQL, 'export')}")
    rows = await app.fetch("explain (analyze, timing off) execute page(900, 1000, 1000000)")
    plan = "\n".join(row[0] for row in rows)
    scans = [line for line in plan.split("\n") if "Seq Scan" in line]
    assert [scan for scan in scans if "never executed" not in scan] == []
    assert max(int(rows) for rows in re.findall(r"actual rows=(\d+)", plan)) <= 100
