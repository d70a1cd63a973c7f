"""The stores beside each other and beside the limits: appends, a tailing reader, a rebuild."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg

from tests.acceptance.ledger import Ledger
from tests.benchmarks import filling, stage
from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.load import Measured
from tests.benchmarks.peers import peer
from tests.benchmarks.storing import limits, message_db, ours
from tests.benchmarks.storing.tail import Tail
from tests.postgres import migrate_whole

PROGRAMS = Path(__file__).parent / "programs"
PATIENCE_S = 600
APPENDS = {1: 1_500, 16: 15_000, 256: 40_000}
"""Events of a round of ours; the peers have their seconds."""

RUNS_REBUILT, EVENTS_REBUILT = 200_000, 20_000
"""What we rebuild, five events a run, and what a peer does, whom a million takes half an hour."""


@dataclass(frozen=True)
class Store:
    """A store and what it offers: appends and a tail on a new database, a rebuild on its own."""

    name: str
    append: Callable[[str, int, float], Awaitable[Measured]] | None = None
    tail: Callable[[str, int, float], Awaitable[Measured]] | None = None
    rebuild: Callable[[str], Awaitable[dict[str, Any]]] | None = None


async def append(
    admin: str, stores: list[Store], *, callers: int, count: int, seconds: float
) -> list[Figure]:
    """Rounds of appends of one event to a new stream each."""
    taken: dict[str, list[Measured]] = {}
    for _ in range(count):
        for store in stores:
            if store.append is not None:
                each = await store.append(await stage.fresh(admin, "store"), callers, seconds)
                taken.setdefault(store.name, []).append(each)
                print(f"  append {callers:4}  {store.name:14} {each}", flush=True)
    return [figure(name, each) for name, each in taken.items()]


async def tail(
    admin: str, stores: list[Store], *, writers: int, count: int, seconds: float
) -> list[Figure]:
    """Rounds of writers beside a reader; latency is from append until the reader has the event."""
    taken: dict[str, list[Measured]] = {}
    for _ in range(count):
        for store in stores:
            if store.tail is not None:
                each = await store.tail(await stage.fresh(admin, "store"), writers, seconds)
                taken.setdefault(store.name, []).append(each)
                print(f"  tail   {writers:4}  {store.name:14} {each} (lost)", flush=True)
    return [
        figure(name, each, lost=sum(one.errors for one in each)) for name, each in taken.items()
    ]


async def rebuild(admin: str, stores: list[Store]) -> list[Figure]:
    """One rebuild each, every row compared with what the events say."""
    figures = []
    for store in stores:
        if store.rebuild is not None:
            found = await store.rebuild(admin)
            per_s = found["events"] / found["elapsed_s"]
            print(f"  rebuild {store.name:14} {per_s:9,.0f} events/s  {found}", flush=True)
            figures.append(Figure(store.name, per_s, more=found))
    return figures


def _measured(found: Tail, seconds: float) -> Measured:
    """What was lost is counted as errors."""
    return Measured(seconds, found.latencies, found.lost)


async def _append_ours(url: str, callers: int, _seconds: float) -> Measured:
    await migrate_whole(url)
    return await ours.append(url, ours.requests(APPENDS[callers]), callers)


async def _tail_ours(url: str, writers: int, seconds: float) -> Measured:
    await migrate_whole(url)
    return _measured(await ours.tail(url, writers, seconds), seconds)


async def _rebuild_ours(admin: str) -> dict[str, Any]:
    """A rebuild of `executions` from history, then a verification of each of its rows."""
    url = await filling.copied(admin, "store", RUNS_REBUILT)
    head = await stage.value(url, "select position from log.head")
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(url, Path(folder))
        took = await stage.seconds(asyncio.to_thread(ledger.run, *filling.REBUILD, "executions"))
        verifying = ["projections", "verify", "executions", "--json", "--quiet"]
        told = json.loads(await asyncio.to_thread(ledger.run, *verifying))
    rows = sum(table["rows"] for table in told["tables"])
    return {"events": head, "elapsed_s": took, "rows": rows, "wrong": told["different"]}


async def _rebuild_copy(admin: str) -> dict[str, Any]:
    """The limit of a rebuild: the same events by COPY into a table like the log's."""
    url = await filling.copied(admin, "store", RUNS_REBUILT)
    connection = await asyncpg.connect(url)
    await connection.execute("create table public.copied (like log.events including all)")
    query = "select * from log.events order by position"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events"
        await connection.copy_from_query(query, output=file, format="binary")
        copying = connection.copy_to_table(
            "copied", schema_name="public", source=file, format="binary"
        )
        took = await stage.seconds(copying)
    count = await connection.fetchval("select count(*) from public.copied")
    await connection.close()
    return {"events": count, "elapsed_s": took}


async def _append_message_db(url: str, callers: int, seconds: float) -> Measured:
    await asyncio.to_thread(message_db.set_up, url)
    return await message_db.append(url, callers, seconds)


async def _tail_message_db(url: str, writers: int, seconds: float) -> Measured:
    await asyncio.to_thread(message_db.set_up, url)
    return _measured(await message_db.tail(url, writers, seconds), seconds)


def _command(name: str) -> list[str]:
    """How the program of a peer is run, by the environment that the peer is installed in."""
    folder = peer(name).require()
    if name == "emmett":
        script = shutil.copy(PROGRAMS / "emmett_store.mjs", folder)
        return ["node", str(script)]
    program = f"{name.replace('-', '_')}_store.py"
    return [str(folder / "bin" / "python"), str(PROGRAMS / program)]


async def _told(name: str, url: str, what: str, number: int, seconds: float) -> dict[str, Any]:
    """What a peer's program answers: one line of JSON."""
    command = [*_command(name), url, what, str(number), str(seconds)]
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(PATIENCE_S):
            output, errors = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
    assert child.returncode == 0, f"{name} {what}: {errors.decode()[-2000:]}"
    return json.loads(output.splitlines()[-1])


async def _append_of(name: str, url: str, callers: int, seconds: float) -> Measured:
    told = await _told(name, url, "append", callers, seconds)
    return Measured(told["elapsed_s"], told["latencies"])


async def _tail_of(name: str, url: str, writers: int, seconds: float) -> Measured:
    told = await _told(name, url, "tail", writers, seconds)
    return Measured(seconds, told["latencies"], told["lost"])


async def _rebuild_of(name: str, admin: str) -> dict[str, Any]:
    return await _told(name, await stage.fresh(admin, "store"), "rebuild", EVENTS_REBUILT, 0)


def _of(name: str, *, rebuilds: bool = True) -> Store:
    return Store(
        name,
        partial(_append_of, name),
        partial(_tail_of, name),
        partial(_rebuild_of, name) if rebuilds else None,
    )


OURS = [
    Store(limits.COPY, append=limits.copy, rebuild=_rebuild_copy),
    Store(limits.INSERT, append=limits.insert),
    Store(ours.NAME, _append_ours, _tail_ours, _rebuild_ours),
]
PEERS = [
    _of("eventsourcing"),
    _of("eventsource-py", rebuilds=False),
    _of("emmett"),
    Store(message_db.NAME, _append_message_db, _tail_message_db),
]
