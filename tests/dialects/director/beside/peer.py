"""The real celery-director on loopback: web servers, a worker, Redis, a database of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.ledger import free_port

HERE = Path(__file__).parent
PROJECT = HERE / "project"
VENV = Path(os.environ.get("FLOWLEDGER_DIRECTOR_VENV") or HERE.parents[3] / ".venv-director")
USER = ("operator", "a secret")
READY_S = 60


@dataclass(frozen=True)
class Peer:
    """Where it answers: open to all, and with authentication."""

    opened: int
    closed: int


def package():
    """The folder of the package, with its templates and static files."""
    (folder,) = VENV.glob("lib/python3.*/site-packages/director")
    return folder


def missing():
    """What is missing to run it here; nothing where all is there."""
    if not (VENV / "bin" / "director").exists():
        return f"celery-director is not installed in {VENV}: run `make compare-director`"
    if shutil.which("redis-server") is None:
        return "there is no redis-server on PATH"
    return ""


@contextmanager
def director(folder, database_url):
    """Run it; what it says is in `director.log` of the folder."""
    peer, redis = Peer(free_port(), free_port()), free_port()
    with ExitStack() as stack:
        log = stack.enter_context((folder / "director.log").open("wb"))
        environment = _environment(database_url, redis)

        def run(*command):
            subprocess.run(command, env=environment, stdout=log, stderr=log, check=True)

        def begin(*command, **more):
            environment_ = {**environment, **more}
            process = subprocess.Popen(
                command, env=environment_, stdout=log, stderr=log, cwd=folder
            )
            stack.callback(_end, process)

        begin("redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", "")
        _wait_for(redis)
        run("director", "db", "upgrade")
        run("director", "user", "create", USER[0], "--password", USER[1])
        begin("director", "celery", "worker", "--concurrency=2")
        for port, closed in ((peer.opened, "false"), (peer.closed, "true")):
            address = f"127.0.0.1:{port}"
            begin("director", "webserver", "-b", address, DIRECTOR_AUTH_ENABLED=closed)
            _wait_for(port)
        yield peer


def _environment(database_url, redis):
    return {
        **os.environ,
        "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
        # Of the releases it is pinned to some warn of each other.
        "PYTHONWARNINGS": "ignore",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DIRECTOR_HOME": str(PROJECT),
        "DIRECTOR_API_URL": "/api",
        "DIRECTOR_DATABASE_URI": database_url,
        "DIRECTOR_BROKER_URI": f"redis://127.0.0.1:{redis}/0",
        "DIRECTOR_RESULT_BACKEND_URI": f"redis://127.0.0.1:{redis}/1",
    }


def _end(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for(port):
    last = time.monotonic() + READY_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > last:
                raise
            time.sleep(0.05)
        else:
            return
