"""Databases that hold many runs already, made once and kept.

Ours is filled through the log's own append function, and a service applies what it finds. The
peers' tables, which have no such way in, are filled by one INSERT each with rows as they write.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import asyncpg

from events import types
from events.codec import encode
from events.database import connect_pool
from events.envelope import AppendRequest, ExpectedVersion, NewEvent, StreamAppend
from events.store import Log
from projections.registry import discover
from service.runs.write.ids import new_id
from service.runs.write.number_sequence import advance_past
from tests.acceptance.ledger import Client, Ledger
from tests.benchmarks import stage
from tests.postgres import at, migrate_whole

FLOW = "example.EXTERNAL"
TENANT = "default"
ENDED_EVERY = 10
"""One run in so many has succeeded and has five events, the others wait."""

BATCH, LANES = 500, 2
NAMES = [projection.name for projection in discover()]
REBUILD = ("projections", "rebuild", "--workers", "2", "--quiet")
PATIENCE_S = 1_800.0
SQL = Path(__file__).parent / "sql"


async def ours(admin: str, runs: int) -> str:
    """A ledger with so many runs of one flow in it, read models and all."""
    return await _filled(admin, f"ours_{runs}_{ENDED_EVERY}", runs, ENDED_EVERY)


async def ended(admin: str, runs: int) -> str:
    """A ledger whose runs have all ended: five events each."""
    return await _filled(admin, _ended(runs), runs, 1)


def _ended(runs: int) -> str:
    return f"ours_{runs}_1"


async def copied(admin: str, name: str, runs: int) -> str:
    """A copy of the ledger whose runs have all ended, to be changed."""
    await ended(admin, runs)
    await stage.drop(admin, name)
    await stage.execute(
        admin, f'create database "{name}" template "{_ended(runs)}" strategy file_copy'
    )
    await migrate_whole(at(admin, name))  # the right to make schemas is the database's own
    return at(admin, name)


async def _filled(admin: str, name: str, runs: int, ended_every: int) -> str:
    if await stage.is_filled(admin, name):
        return at(admin, name)
    url = await stage.fresh(admin, name)
    with tempfile.TemporaryDirectory() as folder:
        await _fill(url, Path(folder), runs, ended_every)
    await stage.execute(url, "vacuum analyze")
    await stage.note_filled(admin, name)
    return url


async def _fill(url: str, folder: Path, runs: int, ended_every: int) -> None:
    """Make a ledger of an empty database, with so many runs in it; no process is left at work."""
    await migrate_whole(url)
    ledger = Ledger(url, folder)
    await asyncio.to_thread(ledger.set_up)
    await _append(url, runs, ended_every)
    await _caught_up(ledger)


async def _caught_up(ledger: Ledger) -> None:
    """Have all of it applied, as after an import: by rebuilds, then by a service."""
    try:
        for name in NAMES:
            print(f"  {name} is rebuilt", flush=True)
            await asyncio.to_thread(ledger.run, *REBUILD, name, timeout_s=PATIENCE_S)
        for name in NAMES:
            await asyncio.to_thread(ledger.run, "projections", "drop", name, "--yes")
        async with Client(ledger, await ledger.serve()) as client:
            while lag := await _lag(client):
                print(f"  {lag:,} events to apply", flush=True)
                await asyncio.sleep(5)
    finally:
        ledger.close()


async def _lag(client: Client) -> int:
    found = await client.api("GET", "/v1/projections")
    return max(each["lag_events"] for each in found["projections"])


async def _append(url: str, runs: int, ended_every: int) -> None:
    """Append the events of so many runs, as the writer would have them."""
    waiting = iter(range(0, runs, BATCH))

    async def lane(log: Log) -> None:
        for first in waiting:
            numbers = range(first + 1, min(first + BATCH, runs) + 1)
            wanted = [_run(number, ended=number % ended_every == 0) for number in numbers]
            for answer in await log.append(wanted):
                if isinstance(answer, Exception):
                    raise answer

    pool = await connect_pool(url, min_size=LANES, max_size=LANES)
    await asyncio.gather(*(lane(Log(pool)) for _ in range(LANES)))
    await pool.close()
    connection = await asyncpg.connect(url)
    await advance_past(connection, runs)
    await connection.close()


def _run(number: int, *, ended: bool) -> AppendRequest:
    run_id = new_id()
    told: list[tuple[str, dict[str, Any]]] = [(types.RUN_QUEUED, _queued(run_id, number))]
    if ended:
        told += [
            (types.RUN_STARTED, {}),
            (types.TASK_STARTED, {"task": "TRANSFER", "attempt": 1}),
            (types.TASK_SUCCEEDED, {"task": "TRANSFER", "metrics": {"rows": 5}}),
            (types.RUN_SUCCEEDED, {}),
        ]
    events = tuple(NewEvent(new_id(), kind, encode(body), "bench") for kind, body in told)
    part = StreamAppend(types.run_stream(run_id), ExpectedVersion.ANY, events)
    return AppendRequest(TENANT, (part,))


def _queued(run_id: str, number: int) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "run_number": number,
        "flow": FLOW,
        "flow_version": 1,
        "executor": "external",
        "exclusive": False,
        "payload": {"n": 1},
        "comment": None,
        "trigger": "on_demand",
        "started_by": "bench",
        "attempt": 1,
        "retry_of": None,
        "root_run": run_id,
        "root_run_number": number,
    }


async def rows(admin: str, name: str, peer: str, count: int) -> None:
    """Fill a peer's database with so many runs, by the statements in sql/PEER_*.sql."""
    if not count:
        return
    connection = await asyncpg.connect(at(admin, name))
    try:
        for statement in sorted(SQL.glob(f"{peer}_*.sql")):
            await connection.execute(statement.read_text().replace(":count", str(count)))
    finally:
        await connection.close()
    await stage.note_filled(admin, name)
