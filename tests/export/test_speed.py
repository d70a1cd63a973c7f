"""How fast a log leaves and comes back, beside COPY: `pytest tests/export -m benchmark -s -n 0`."""

from __future__ import annotations

import os
import sys
import time

import pytest

from events.export.compression import Compression
from tests.events.builders import request
from tests.export.transfer import bring, export

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

EVENTS = 200_000
TABLES = {"events": "position", "event_ids": "position", "streams": "first_position"}


async def write(log) -> None:
    """Runs of ten events of 200 bytes, each begun by a request with a key."""
    for first in range(0, EVENTS // 10, 50):
        batch = []
        for number in range(first, first + 50):
            name = f"run:{os.urandom(16).hex()}"
            batch += [request(name, 0, key=f"start/{number}", text="x" * 190)]
            batch += [request(name, 1, 9, text="x" * 190)]
        await log.append(batch)


async def timed(work) -> float:
    begin = time.perf_counter()
    await work
    return time.perf_counter() - begin


async def copy_out(connection, file) -> None:
    await connection.copy_from_query(
        "select * from log.events order by position", output=str(file), format="csv"
    )


async def copy_in(connection, rows) -> None:
    """The rows of the log's tables with their indexes, in one transaction, checked by nobody."""
    async with connection.transaction():
        for table in TABLES:
            await connection.execute(
                f"create table public.{table} (like log.{table} including all)"
            )
        await connection.execute("create unique index on public.events (stream, tenant, version)")
        for table, found in rows.items():
            await connection.copy_records_to_table(table, schema_name="public", records=found)


async def test_export_and_import_beside_copy(pool, log, owner, other_url, tmp_path, capsys):
    await write(log)
    async with pool.acquire() as connection:
        out = await timed(copy_out(connection, tmp_path / "copy"))
    figures = {}
    for compression in Compression:
        file = tmp_path / f"log.{compression}"
        figures[f"export, {compression}"] = (
            await timed(export(pool, file, compression=compression)),
            out,
            file.stat().st_size,
        )
    rows = {
        table: [tuple(row) for row in await pool.fetch(f"select * from log.{table} order by {key}")]
        for table, key in TABLES.items()
    }
    into = await timed(copy_in(owner, rows))
    size = (tmp_path / "log.zstd").stat().st_size
    figures["import, zstd"] = (await timed(bring(other_url, tmp_path / "log.zstd")), into, size)
    with capsys.disabled():
        for what, (seconds, beside, size) in figures.items():
            sys.stdout.write(
                f"\n{what}: {seconds / beside:.1f} times as long as COPY,"
                f" {EVENTS / seconds:,.0f} events/s, {size / EVENTS:.0f} bytes an event"
            )
        sys.stdout.write(f"\nCOPY out {EVENTS / out:,.0f}, in {EVENTS / into:,.0f} events/s\n")
