"""The ground the tests stand on."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import asyncpg
import pytest

from service.embedded import open_cluster
from tests import postgres

ROOT = Path(__file__).parents[1]
GARBLED = b"\xff\x00garbled"
UNREACHABLE = b"postgresql://nobody@127.0.0.1:1/gone"
NO_ENGINE = "tcp://127.0.0.1:1"
DEBRIS = {
    "nothing": {},
    "no server yet": {"alive.lock": b""},
    "an empty kind": {"kind": b""},
    "a garbled kind": {"kind": GARBLED},
    "an unknown kind": {"kind": b"mainframe"},
    "a kind that is a folder": {"kind/of": b"server"},
    "a lock that is a folder": {"alive.lock/of": b"", "kind": b"container"},
    "a container that never started": {"kind": b"container"},
    "a container and a garbled url": {"kind": b"container", "url": GARBLED},
    "a given server, never used": {"kind": b"url"},
    "a given server that is gone": {"kind": b"url", "url": UNREACHABLE},
    "a given server with a garbled url": {"kind": b"url", "url": GARBLED},
    "a cluster never begun": {"kind": b"embedded"},
    "a cluster without a folder": {"kind": b"embedded", "home": b""},
    "half a cluster": {"kind": b"embedded", "home/postgres/data.new/PG_VERSION": b"18"},
    "a cluster that is gone": {"kind": b"embedded", "home/postgres/location": b"/gone"},
    "a cluster nowhere": {"kind": b"embedded", "home/postgres/location": b""},
    "a garbled cluster": {
        "kind": b"embedded",
        "home/postgres/data/postmaster.pid": GARBLED,
        "home/postgres/password": GARBLED,
        "home/postgres/socket.elsewhere": GARBLED,
    },
}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of the test's own, where run folders are made and looked for."""
    with tempfile.TemporaryDirectory(prefix="flowledger-debris-") as folder:
        Path(folder).chmod(0o711)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)
        monkeypatch.chdir(tmp_path)  # what removes too much must not remove the project
        yield Path(folder)


def left_over(temporary: Path, files: dict[str, bytes]) -> Path:
    folder = temporary / f"{postgres.RUNS}x"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def begin_and_end_a_run() -> None:
    folder, alive = postgres.open_run()
    with alive:
        postgres.close_run(folder)


@contextmanager
def container_engine(monkeypatch: pytest.MonkeyPatch, *names: str) -> Iterator[set[str]]:
    """An engine that holds the containers of these names; yields those that are left."""
    containers = set(names)

    class Engine(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.split("/")[-2]
            if self.path == "/version":
                self.answer(200, {"ApiVersion": "1.44"})
            elif name in containers:
                self.answer(200, {"Id": name})
            else:
                self.answer(404, {"message": f"No such container: {name}"})

        def do_DELETE(self) -> None:
            containers.remove(self.path.split("?")[0].split("/")[-1])
            self.answer(204, None)

        def answer(self, status: int, body: object) -> None:
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Engine) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
            yield containers
        finally:
            server.shutdown()
            thread.join()


async def ask(url, question):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_each_test_has_a_database_of_its_own(database_url, empty_database_url):
    names = {
        await ask(url, "SELECT current_database()") for url in (database_url, empty_database_url)
    }

    assert len(names) == 2


async def test_an_empty_database_holds_no_tables_of_ours(empty_database_url):
    assert await ask(empty_database_url, "SELECT to_regnamespace('log')") is None


async def test_a_killed_cluster_comes_back_with_what_was_committed(own_cluster):
    await ask(own_cluster.url, "CREATE TABLE kept AS SELECT 42 AS answer")

    own_cluster.kill()
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await ask(own_cluster.url, "SELECT 1")
    own_cluster.start()

    assert await ask(own_cluster.url, "SELECT answer FROM kept") == 42


async def test_a_stopped_cluster_starts_again_at_the_same_address(own_cluster):
    own_cluster.stop()
    own_cluster.start()

    assert await ask(own_cluster.url, "SELECT 1") == 1


@pytest.mark.parametrize("files", DEBRIS.values(), ids=DEBRIS)
def test_debris_of_a_killed_run_is_removed_and_harms_no_later_run(temporary, files):
    here = Path.cwd()
    (here / "ours").touch()
    left_over(temporary, files)

    begin_and_end_a_run()

    assert list(temporary.iterdir()) == []
    assert [path.name for path in here.iterdir()] == ["ours"]


def test_pytest_starts_beside_the_debris_of_a_container_that_never_started(temporary):
    debris = left_over(temporary, {"kind": b"container"})
    pytest_ = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]

    collected = subprocess.run(
        [*pytest_, __file__],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert collected.returncode == 0, collected.stderr
    assert not debris.exists()


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("nowhere")])
def test_debris_that_is_no_folder_is_removed(temporary, make):
    make(temporary / f"{postgres.RUNS}x")

    begin_and_end_a_run()

    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of another account")
def test_a_run_folder_of_another_account_is_left_alone(temporary):
    planted = left_over(temporary, {"kind": b"embedded", "home/postgres/location": b"/gone"})
    os.chown(planted, 65534, 65534)

    begin_and_end_a_run()

    assert (planted / "kind").exists()


def test_a_run_that_is_alive_is_left_alone(temporary):
    folder, alive = postgres.open_run()
    (folder / "kind").write_text("mainframe")
    with alive:
        begin_and_end_a_run()

        assert (folder / "kind").exists()


def test_a_run_whose_new_folder_is_swept_before_it_is_locked_makes_another(temporary, monkeypatch):
    lock, swept = postgres._alive, []

    def swept_first(folder):
        if not swept:
            swept.append(folder)
            begin_and_end_a_run()
            assert not folder.exists()
        return lock(folder)

    monkeypatch.setattr(postgres, "_alive", swept_first)
    folder, alive = postgres.open_run()

    with alive:
        assert list(temporary.iterdir()) == [folder]


def test_the_container_of_a_killed_run_is_removed(temporary, monkeypatch):
    debris = left_over(temporary, {"kind": b"container"})
    with container_engine(monkeypatch, debris.name, "another") as containers:
        begin_and_end_a_run()

        assert containers == {"another"}
    assert not debris.exists()


def test_a_container_that_the_engine_does_not_know_is_forgotten(temporary, monkeypatch, capsys):
    debris = left_over(temporary, {"kind": b"container"})
    with container_engine(monkeypatch):
        begin_and_end_a_run()

    assert not debris.exists()
    assert capsys.readouterr().err == ""


def test_a_server_that_could_not_be_ended_is_named(temporary, capsys):
    debris = left_over(temporary, {"kind": b"container"})

    begin_and_end_a_run()

    assert f"{debris}: its server may still run" in capsys.readouterr().err


def test_the_embedded_server_of_a_killed_run_is_stopped(temporary, monkeypatch):
    monkeypatch.setenv(postgres.MODE, "embedded")
    folder, alive = postgres.open_run()
    postgres.server_url(folder)
    server = open_cluster(folder / "home").pid
    alive.close()

    begin_and_end_a_run()

    assert not folder.exists()
    assert not postgres._runs(server)
