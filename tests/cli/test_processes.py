"""Long-running verbs: several at a time, each ended by a signal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from service.embedded import open_cluster
from tests.acceptance.ledger import free_port
from tests.cli.conftest import SECRET_KEY, program

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENCE_S = 60


class Running:
    """A verb in a process of its own; what it prints is in a file."""

    def __init__(self, arguments, settings, log):
        self.log = log
        self.port = settings.get("FLOWLEDGER_PORT")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FLOWLEDGER_")}
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "service", *arguments],
                env={**environment, "PYTHONUNBUFFERED": "1", **settings},
                stdout=output,
                stderr=output,
            )

    @property
    def output(self):
        return self.log.read_text()

    def until(self, holds):
        deadline = time.monotonic() + PATIENCE_S
        while not (found := holds()):
            assert self.popen.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)
        return found

    def stop(self, number=signal.SIGTERM):
        self.popen.send_signal(number)
        return self.popen.wait(PATIENCE_S)

    def ask(self, path, token="", body=None):
        """The status of an answer, and its JSON; nothing while nobody listens."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.load(refusal)
        except urllib.error.URLError:
            return 0, None

    def ready(self):
        self.until(lambda: self.ask("/health/ready")[0] == 200)
        return self


@pytest.fixture
def running(tmp_path):
    """Start verbs; those that still run at the end are killed."""
    started = []

    def start(*arguments, **settings):
        log = tmp_path / f"{len(started)}.log"
        started.append(Running(arguments, settings, log))
        return started[-1]

    yield start
    for each in started:
        each.popen.kill()
        each.popen.wait()


@pytest.fixture
def settings(empty_database_url):
    return {"FLOWLEDGER_DATABASE_URL": empty_database_url, "FLOWLEDGER_SECRET_KEY": SECRET_KEY}


def good(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_serve_refuses_a_session_that_it_cannot_work_with(settings):
    verb = program(**settings)
    good(verb("migrate"))
    url = settings["FLOWLEDGER_DATABASE_URL"]
    read_only = "alter database {} set default_transaction_read_only = on"
    asyncio.run(administer(url, read_only))
    refused = verb("serve")
    assert refused.returncode == 1
    assert "transaction_read_only is 'on', not 'off': set" in refused.stderr
    assert "Traceback" not in refused.stderr


async def administer(url, statement):
    connection = await asyncpg.connect(url)
    name = await connection.fetchval("select quote_ident(current_database())")
    await connection.execute(statement.format(name))
    await connection.close()


def test_every_verb_works_beside_a_server_on_a_database_that_was_empty(running, settings):
    verb = program(**settings)
    served = running("serve", "--migrate", **settings, FLOWLEDGER_PORT=str(free_port())).ready()
    assert "nothing to do" in good(verb("migrate"))
    made = good(
        verb("keys", "create", "--tenant", "t", "--role", "operator", "--name", "o", "--json")
    )
    key = json.loads(made)
    good(verb("flows", "load", str(EXAMPLES), "--tenant", "t"))
    status, run = served.ask("/v1/runs", key["token"], {"flow": "example.EXTERNAL"})
    assert (status, run["status"]) == (201, "queued")
    lines = good(verb("events", "tail", "--no-follow", "--after", "0")).splitlines()
    assert run["run_id"] in lines[-1]
    assert {row["state"] for row in json.loads(good(verb("projections", "list", "--json")))} == {
        "running"
    }
    good(verb("keys", "revoke", key["key_id"], "--yes"))
    served.until(lambda: served.ask("/v1/runs", key["token"])[0] == 401)
    assert served.stop() == 0
    assert "Traceback" not in served.output


def test_parts_run_in_separate_processes(running, settings, database_url):
    settings = settings | {"FLOWLEDGER_DATABASE_URL": database_url}
    verb = program(**settings)
    good(verb("flows", "load", str(EXAMPLES), "--tenant", "t"))
    made = good(
        verb("keys", "create", "--tenant", "t", "--role", "operator", "--name", "o", "--json")
    )
    token = json.loads(made)["token"]

    def caught_up():
        rows = json.loads(good(verb("projections", "list", "--json")))
        return all(row["lag_events"] == 0 for row in rows)

    assert not caught_up()
    project = running("project", **settings)
    project.until(caught_up)
    work = running("work", **settings, FLOWLEDGER_FLOWS=str(EXAMPLES))
    # Without a folder of flows it executes nothing itself.
    served = running("serve", **settings, FLOWLEDGER_PORT=str(free_port())).ready()
    run = served.ask("/v1/runs", token, {"flow": "example.RANDOMS"})[1]
    path = f"/v1/runs/{run['run_id']}"
    work.until(lambda: served.ask(path, token)[1]["status"] == "succeeded")
    parts = (served, work, project)
    for part in parts:
        part.popen.terminate()
    assert [part.popen.wait(PATIENCE_S) for part in parts] == [0, 0, 0]
    assert not any("Traceback" in part.output for part in parts)


STUBBORN = """
import asyncio, threading
from service.tasks import task

@task(name="HEEDLESS")
async def heedless(*args, **kwargs):
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

@task(name="THREAD")
async def thread(*args, **kwargs):
    await asyncio.to_thread(threading.Event().wait)
"""


@pytest.mark.parametrize("task", ["HEEDLESS", "THREAD"])
def test_server_ends_despite_a_task_that_does_not_stop(
    running, settings, database_url, tmp_path, task
):
    settings = settings | {"FLOWLEDGER_DATABASE_URL": database_url, "FLOWLEDGER_GRACE": "0"}
    flows = tmp_path / "flows"
    (flows / "tasks").mkdir(parents=True)
    (flows / "tasks" / "stubborn.py").write_text(STUBBORN)
    (flows / "flows.yaml").write_text(f"suite.STUBBORN: {{tasks: [{task}]}}\n")
    verb = program(**settings)
    good(verb("flows", "load", str(flows), "--tenant", "t"))
    made = good(
        verb("keys", "create", "--tenant", "t", "--role", "operator", "--name", "o", "--json")
    )
    token = json.loads(made)["token"]
    port = str(free_port())
    served = running("serve", **settings, FLOWLEDGER_PORT=port, FLOWLEDGER_FLOWS=str(flows)).ready()
    path = f"/v1/runs/{served.ask('/v1/runs', token, {'flow': 'suite.STUBBORN'})[1]['run_id']}"
    served.until(lambda: served.ask(path, token)[1]["status"] == "running")
    assert served.stop() == 0


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_tail_follows_until_a_signal_ends_it_quietly(running, verb, ledger_url, number, status):
    tail = running("events", "tail", "--json", "--after", "0", FLOWLEDGER_DATABASE_URL=ledger_url)
    name = f"followed {number}"
    good(verb("keys", "create", "--tenant", "t", "--role", "viewer", "--name", name))
    tail.until(lambda: name in tail.output)
    assert tail.stop(number) == status
    assert all(json.loads(line)["position"] for line in tail.output.splitlines())


@contextmanager
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield str(taken.getsockname()[1])


def test_a_port_in_use_is_named_in_one_line(ledger_url):
    with taken_port() as port:
        verb = program(
            FLOWLEDGER_DATABASE_URL=ledger_url,
            FLOWLEDGER_SECRET_KEY=SECRET_KEY,
            FLOWLEDGER_PORT=port,
        )
        done = verb("serve")
    assert done.returncode == 1
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("Error:"))
    assert "FLOWLEDGER_PORT" in line
    assert port in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("keys", "list"), ("demo",), ("migrate",)])
def test_a_home_that_is_no_folder_is_named_in_one_line(tmp_path, arguments):
    home = tmp_path / "home"
    home.write_text("a file")
    done = program(FLOWLEDGER_HOME=str(home))(*arguments)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "FLOWLEDGER_HOME" in line


@pytest.fixture
def home() -> Iterator[Path]:
    # Not below pytest's own folder: the server's account must reach it.
    with tempfile.TemporaryDirectory(prefix="flowledger-cli-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "home"


def test_standalone_verb_starts_and_stops_its_own_postgres(running, home):
    verb = program(FLOWLEDGER_HOME=str(home))
    missing = verb("flows", "list")
    assert (missing.returncode, "flowledger migrate" in missing.stderr) == (1, True)
    good(verb("migrate"))
    assert good(verb("flows", "list")) == ""
    assert not open_cluster(home).running()
    tail = running("events", "tail", FLOWLEDGER_HOME=str(home))
    tail.until(open_cluster(home).running)
    # Beside the running one: it uses the same server, and leaves it running.
    assert good(verb("events", "tail", "--no-follow")) == ""
    assert open_cluster(home).running()
    assert tail.stop() == 143
    assert not open_cluster(home).running()
