"""Every read uses an index, on a log of any size, analysed or not."""

import re
from pathlib import Path

import pytest

from events import store
from events.database import load
from tests.events.builders import request

SQL = Path(store.__file__).parent / "sql"
STATEMENTS = {
    "read_range": (["bigint", "bigint"], "900, 1000"),
    "read_page": (["bigint", "bigint", "text", "bigint"], "900, 2900, 't', 100"),
    "read_stream": (["text", "text", "bigint", "bigint", "bigint"], "'t', 's7', 0, 100, null"),
    "read_streams": (["text[]", "text[]", "bigint"], "'{t,t}', '{s7,s8}', null"),
    "read_stream_of_type": (["text", "text", "text", "bigint"], "'t', 's7', 'RunStarted', 10"),
    "read_at": (["bigint[]"], "'{7,4000}'"),
    "find_idempotency_key": (["text", "text"], "'t', 'k7'"),
    "tenants": (["text"], "'s7'"),
    "position_at": (["timestamptz"], "now()"),
}


@pytest.fixture
async def filled(log):
    for first in range(0, 6000, 500):
        await log.append([request(f"s{n % 1000}", key=f"k{n}") for n in range(first, first + 500)])


async def plan(app, name: str, values: str = "") -> str:
    types, usual = STATEMENTS[name]
    await app.execute("set plan_cache_mode = force_generic_plan")
    await app.execute(f"prepare statement ({', '.join(types)}) as {load(SQL, name)}")
    rows = await app.fetch(
        f"explain (analyze, buffers off, timing off) execute statement({values or usual})"
    )
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("analysed", [True, False], ids=["analysed", "never analysed"])
@pytest.mark.parametrize("name", STATEMENTS)
async def test_each_read_uses_an_index_and_few_rows(filled, app, owner, name, analysed):
    if analysed:
        await owner.execute("analyze log.events, log.streams, log.idempotency")
    found = await plan(app, name)
    # The counter is one row.
    scans = [line for line in found.split("\n") if "Seq Scan" in line and " on head " not in line]
    assert [scan for scan in scans if "never executed" not in scan] == []
    assert re.search(r"Rows Removed by Filter: \d{3}", found) is None
    assert max(int(rows) for rows in re.findall(r"actual rows=(\d+)", found)) <= 100


async def test_position_at_reads_one_row_per_halving_of_the_log(filled, app):
    looks = re.findall(r"Scan.*\be(?:_\d+)? .*loops=(\d+)", await plan(app, "position_at"))
    assert 0 < sum(map(int, looks)) <= 13  # 2 ** 13 > 6000


@pytest.mark.parametrize("name", ["read_stream", "read_streams"])
async def test_stream_read_skips_partitions_before_its_first_event(log, app, owner, filled, name):
    await owner.execute("update log.head set position = 10000000")
    await log.append([request("s7777"), request("s7778")])
    values = {"read_stream": "'t', 's7777', 0, 100, null"}
    found = await plan(app, name, values.get(name, "'{t,t}', '{s7777,s7778}', null"))
    scans = [line for line in found.split("\n") if "on events_" in line]
    executed = [scan for scan in scans if "never executed" not in scan]
    assert len(executed) == 1
    assert "events_000002_stream_tenant_version_idx" in executed[0]


async def test_append_scans_no_table_but_the_counter(filled, pool):
    async with pool.acquire() as connection, connection.transaction():
        columns = store.Batch([request(f"s{n}", key=f"n{n}") for n in range(50)], []).columns()
        await connection.fetch(load(SQL, "append"), *columns)
        scanned = await connection.fetch(
            "select relname from pg_stat_xact_user_tables"
            " where schemaname = 'log' and relname <> 'head' and seq_scan > 0"
        )
    assert scanned == []
