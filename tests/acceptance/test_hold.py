"""A restored copy on hold is read, and starts and executes nothing until it is resumed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests import postgres
from tests.acceptance.ledger import Client, Ledger, Process
from tests.kit.dumps import dump, load
from tests.waiting import until

VENDORS = ("etlworks", "invision", "director", "naver", "incorta")
WATCHED_S = 3.0
"""Longer than a worker takes to look for runs, and a scheduler for due flows."""

EVERY_SECOND = """
hold.TICK:
  executor: external
  tasks:
    - TICK
  periodic:
    interval: 1
"""


@pytest.fixture
def copy(ledger: Ledger, tmp_path: Path):
    """The same ledger restored elsewhere, of whatever is in it when the test asks."""
    folder = tmp_path / "copy"
    folder.mkdir()
    with postgres.own_cluster() as cluster:
        copy = Ledger(cluster.url, folder)

        def restore() -> Ledger:
            load(dump(ledger.environment["FLOWLEDGER_DATABASE_URL"]), cluster.url)
            copy.run("migrate")
            copy.key, copy.flows = ledger.key, ledger.flows
            return copy

        yield restore
        copy.close()


async def leave_work(ledger: Ledger) -> dict[str, str]:
    """Start runs that nobody executes, and one whose task runs when its process is killed."""
    process = await ledger.serve()
    async with Client(ledger, process) as client:
        running = (await client.start("example.SLOW", {"sleep": 30}))["run_id"]
        await client.until(running, lambda run: run["status"] == "running")
    process.kill()
    flows = ledger.environment.pop("FLOWLEDGER_FLOWS")
    process = await ledger.serve()
    async with Client(ledger, process) as client:
        queued = [(await client.start("example.RANDOMS"))["run_id"] for _ in range(2)]
    process.kill()
    ledger.environment["FLOWLEDGER_FLOWS"] = flows
    return {"running": running, "queued": queued[0], "cancelled": queued[1]}


async def test_copy_on_hold_executes_nothing_until_it_is_resumed(ledger, copy):
    runs = await leave_work(ledger)
    held = copy()
    process = await held.serve("serve --hold")
    async with Client(held, process) as client:
        before = [await client.run(run) for run in runs.values()]
        await asyncio.sleep(WATCHED_S)
        assert [await client.run(run) for run in runs.values()] == before
        for api in ("api", *VENDORS):
            with pytest.raises(AssertionError, match="503"):
                await getattr(client, f"start_by_{api}")("example.EXTERNAL")
        problem = await client.api("POST", "/v1/runs", {"flow": "example.EXTERNAL"}, expect=503)
        assert problem["type"].endswith("ledger-on-hold")
        await client.api("POST", f"/v1/runs/{runs['cancelled']}/cancel")
        state = await client.call("GET", "/health/ready")
        assert state["warnings"] == ["ledger-on-hold"]

        said = held.run("resume", "--reason", "checked", "--dry-run")
        assert "runs wait, and are executed: 1: example.RANDOMS" in said
        assert "another takes them over: 1: example.SLOW" in said
        assert "dry run" in said
        held.run("resume", "--reason", "checked", "--yes")
        assert (await client.ended(runs["queued"]))["status"] == "succeeded"
        assert (await client.run(runs["cancelled"]))["status"] == "cancelled"
        await client.until(runs["running"], lambda run: run["tasks"][0]["attempt"] > 1)
        await client.start("example.EXTERNAL")
        assert (await client.call("GET", "/health/ready"))["warnings"] == []
    done = held.attempt("resume", "--reason", "again", "--yes")
    assert (done.returncode, "not on hold" in done.stderr) == (1, True)


async def test_hold_outlives_the_process_and_keeps_schedules_from_starting(ledger, tmp_path):
    (tmp_path / "flows.yaml").write_text(EVERY_SECOND)
    ledger.run("flows", "load", str(tmp_path / "flows.yaml"))
    process = await ledger.serve("serve --hold")
    process.kill()
    process = await ledger.serve()
    async with Client(ledger, process) as client:
        await asyncio.sleep(WATCHED_S)
        assert (await client.api("GET", "/v1/runs"))["runs"] == []
        said = ledger.run("resume", "--reason", "go", "--yes")
        assert "scheduled flows are due, and start: 1: hold.TICK of default" in said
        async with asyncio.timeout(20):
            while not (await client.api("GET", "/v1/runs"))["runs"]:  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.1)


async def test_resume_asks_and_without_an_answer_the_hold_goes_on(ledger):
    (await ledger.serve("serve --hold")).stop()
    done = ledger.attempt("resume", "--reason", "go")
    assert (done.returncode, "Resume?" in done.stdout) == (1, True)
    assert "on hold since" in ledger.run("resume", "--reason", "go", "--dry-run")


async def test_worker_with_hold_puts_the_ledger_on_hold_before_it_claims(ledger, tmp_path):
    runs = await leave_work(ledger)
    worker = Process("work --hold", ledger.environment, tmp_path / "work.log")
    ledger.processes.append(worker)
    worker.start()
    await until(lambda: not ledger.attempt("resume", "--reason", "r", "--dry-run").returncode)
    async with Client(ledger, await ledger.serve()) as client:
        await asyncio.sleep(WATCHED_S)
        assert (await client.run(runs["queued"]))["status"] == "queued"
