"""The log as files, by the real program: exported, checked, imported, served again; and killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from events.database import connect, connect_pool
from events.envelope import AppendRequest, NewEvent, StreamAppend
from events.store import Log
from tests import postgres
from tests.cli.conftest import SECRET_KEY, program

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def other_url(postgres_run, template_database):
    with postgres.fresh_database(postgres_run, template_database) as url:
        yield url


@pytest.fixture
def other(other_url):
    return program(FLOWLEDGER_DATABASE_URL=other_url, FLOWLEDGER_SECRET_KEY=SECRET_KEY)


def good(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(done):
    assert done.returncode == 1, (done.returncode, done.stderr)
    (line,) = done.stderr.strip().splitlines()
    return line


def ask(url, query):
    """The one value of a query, as the owner."""
    found = []

    async def fetch():
        connection = await connect(url, role=None)
        found.append(await connection.fetchval(query))
        await connection.close()

    postgres.apart(fetch())
    return found[0]


@pytest.fixture(scope="module")
def filled(ledger_url):
    """Enough events that a kill comes in the middle."""

    body = b'{"text":"' + b"x" * 200 + b'"}'
    events = [NewEvent(str(uuid4()), "RunStarted", body, "ops") for _ in range(30_000)]

    async def fill():
        pool = await connect_pool(ledger_url, max_size=1)
        part = StreamAppend("big", 0, tuple(events))
        await Log(pool).append([AppendRequest("t", (part,), "k", b"p")])
        await pool.close()

    postgres.apart(fill())


def test_a_ledger_moves_by_two_commands_and_a_third_checks_the_file(
    verb, other, other_url, tmp_path
):
    good(verb("flows", "load", str(EXAMPLES), "--tenant", "moved"))
    file = str(tmp_path / "ledger.ndjson.zst")
    result = verb("events", "export", file)
    head = len(good(verb("events", "tail", "--after", "0", "--no-follow", "--json")).splitlines())
    assert good(result) == ""
    assert result.stderr.startswith(f"{head} events, SHA-256 ")
    assert f"up to position {head} of ledger" in good(
        program(FLOWLEDGER_DATABASE_URL="postgresql://nowhere")("events", "check", file)
    )
    assert f"imported {head} events of ledger" in good(other("events", "import", file))
    listed = [good(each("flows", "list", "--tenant", "moved", "--json")) for each in (verb, other)]
    assert listed[0] == listed[1]
    assert "has" in refused(other("events", "import", file))


def begun(url, *arguments, **pipes):
    """The program at work, in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FLOWLEDGER_")}
    return subprocess.Popen(
        [sys.executable, "-m", "service", "events", *arguments],
        env={**environment, "FLOWLEDGER_DATABASE_URL": url},
        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | pipes,
    )


def until(holds, popen):
    deadline = time.monotonic() + 60
    while not holds():
        assert popen.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_an_export_goes_through_a_pipe_into_an_import(ledger_url, other_url, filled):
    exported = begun(ledger_url, "export", "-", "--compress", "zstd", stdout=subprocess.PIPE)
    imported = begun(other_url, "import", "-", stdin=exported.stdout)
    exported.stdout.close()
    assert (exported.wait(60), imported.wait(60)) == (0, 0)
    heads = [ask(url, "select position from log.head") for url in (ledger_url, other_url)]
    assert heads[0] == heads[1] >= 30_000


def test_broken_pipe_is_reported_in_one_line(ledger_url, filled):
    exported = begun(
        ledger_url, "export", "-", "--quiet", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    exported.stdout.readline()
    exported.stdout.close()
    message = exported.stderr.read().decode()
    assert (exported.wait(60), message) == (1, "Error: - cannot be written: Broken pipe\n")
    exported.stderr.close()


@pytest.mark.parametrize("ending", ["ndjson", "ndjson.zst"])
def test_export_killed_repeatedly_ends_with_the_same_bytes(
    verb, ledger_url, filled, tmp_path, ending
):
    whole, killed = tmp_path / f"whole.{ending}", tmp_path / f"killed.{ending}"
    good(verb("events", "export", str(whole)))
    chance = random.Random(5)
    for _ in range(4):
        size = killed.stat().st_size if killed.exists() else 0
        beyond = size + chance.randrange(1, 60_000)
        running = begun(ledger_url, "export", str(killed))
        while running.poll() is None and (not killed.exists() or killed.stat().st_size < beyond):
            time.sleep(0.0005)
        running.send_signal(signal.SIGKILL)
        running.wait()
    if killed.read_bytes() != whole.read_bytes():
        good(verb("events", "export", str(killed)))
    assert killed.read_bytes() == whole.read_bytes()
    assert "finished" in refused(verb("events", "export", str(killed)))


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_interrupted_import_leaves_an_empty_ledger(
    verb, other, other_url, filled, tmp_path, number
):
    file = str(tmp_path / "ledger.ndjson")
    good(verb("events", "export", file))
    importing = begun(other_url, "import", file)
    writes = (
        "select coalesce(sum(pg_relation_size(oid)), 0) from pg_class where relname ~ '^events_0'"
    )
    empty = ask(other_url, writes)
    until(lambda: ask(other_url, writes) > empty + 1_000_000, importing)
    importing.send_signal(number)
    assert importing.wait(60) in {-signal.SIGKILL, 128 + number}
    for table in ("events", "event_ids", "streams", "idempotency"):
        assert ask(other_url, f"select count(*) from log.{table}") == 0
    deadline = time.monotonic() + 60
    # The server notices that its client is gone a moment later.
    while (done := other("events", "import", file)).returncode and time.monotonic() < deadline:
        assert "another process is writing to this ledger" in refused(done)
    assert ask(other_url, "select position from log.head") >= 30_000


def test_invalid_file_is_reported_in_one_line_with_exit_status_1(verb, other, tmp_path):
    torn = tmp_path / "torn"
    torn.write_text('{"format":"flowledger-export","version":1,"ledger":null,"after":0,"to":0}\n')
    for arguments in (("check", str(torn)), ("import", str(torn))):
        message = refused(other("events", *arguments))
        assert f"{torn}:2: the file is truncated" in message
    assert "is there and no export" in refused(
        verb("events", "export", str(EXAMPLES / "flows.yaml"))
    )
    assert verb("events", "import").returncode == 2


def test_progress_bar_is_not_shown_without_a_terminal(verb, tmp_path):
    done = verb("events", "export", str(tmp_path / "one"))
    assert len(done.stderr.splitlines()) == 1
    assert verb("events", "export", str(tmp_path / "two"), "--quiet").stderr == ""
