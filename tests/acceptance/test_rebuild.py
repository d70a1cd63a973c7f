"""Read models are rebuilt while they are read and written: nobody notices, nothing is missing."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.acceptance.ledger import Client, Ledger, Process
from tests.kit.list_reader import Reader

WRITERS = 6
PATIENCE_S = 90.0
EXTERNAL = "example.EXTERNAL"


async def _write(client: Client, written: list[str]) -> None:
    """Start runs and see each at once: in its own status and in the list."""
    while True:
        run = await client.start(EXTERNAL)
        written.append(run["run_id"])
        listed = await client.api("GET", "/v1/runs?limit=200")
        assert run["run_id"] in {each["run_id"] for each in listed["runs"]}


@pytest.fixture
async def pair(ledger: Ledger) -> Any:
    return [await ledger.serve(), await ledger.serve()]


def _everything(ledger: Ledger) -> dict[str, str]:
    key = ledger.create_key("administrator", "*")
    return {"Authorization": f"Bearer {key['token']}"}


async def _rebuilt(client: Client, bearer: dict[str, str], name: str, version: int) -> dict:
    path = f"/v1/projections/{name}/rebuild"
    found = await client.call("POST", path, headers=bearer, expect=202)
    assert found["version"] == version
    async with asyncio.timeout(PATIENCE_S):
        while found["phase"] != "finished":
            assert found["phase"] != "failed", found
            await asyncio.sleep(0.05)
            found = await client.call("GET", path, headers=bearer)
    return found


async def _answers_from(client: Client, bearer: dict[str, str], name: str) -> int:
    rows = await client.call("GET", "/v1/projections", headers=bearer)
    (version,) = [
        row["version"] for row in rows["projections"] if row["name"] == name and row["serving"]
    ]
    return int(version)


async def test_list_read_every_10_ms_is_unaffected_by_a_rebuild_under_load(
    ledger: Ledger, pair: list[Process]
) -> None:
    bearer = _everything(ledger)
    async with Client(ledger, pair[0]) as one, Client(ledger, pair[1]) as other:
        written: list[str] = []
        readers = [Reader(process.url, one.bearer) for process in pair]
        work = [asyncio.create_task(reader.run()) for reader in readers]
        work += [asyncio.create_task(_write(one, written)) for _ in range(WRITERS)]
        try:
            await _until(lambda: len(written) > 100)
            found = await _rebuilt(one, bearer, "listings", 2)
            await _more(written)
            began = time.perf_counter()
            await one.call("POST", "/v1/projections/listings/rollback", headers=bearer)
            took_s = time.perf_counter() - began
            assert await _answers_from(other, bearer, "listings") == 1
            await _more(written)
        finally:
            for task in work:
                task.cancel()
            ended = await asyncio.gather(*work, return_exceptions=True)
        assert not [each for each in ended if not isinstance(each, asyncio.CancelledError)]
        for reader in readers:
            assert not reader.faults
            assert reader.answers > 50
        print(  # noqa: T201 - the figures are asked for
            f"\nruns {len(written)}, reads {sum(r.answers for r in readers)}, longest read"
            f" {max(r.longest_s for r in readers) * 1000:.0f} ms, checkpoint held"
            f" {found['result']['held_ms']} ms, way back {took_s * 1000:.0f} ms"
        )


async def _more(written: list[str]) -> None:
    wanted = len(written) + 50
    await _until(lambda: len(written) >= wanted)


async def _until(holds: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what others do
            await asyncio.sleep(0.01)


async def test_rebuild_is_requested_followed_cancelled_and_refused_over_the_api(
    ledger: Ledger, client: Client
) -> None:
    bearer = _everything(ledger)
    base = "/v1/projections/executions"
    missing = await client.call("GET", f"{base}/rebuild", headers=bearer, expect=404)
    assert missing["detail"] == "executions was never rebuilt"
    await client.call("POST", "/v1/projections/none/rebuild", headers=bearer, expect=404)
    await client.call("POST", f"{base}/rollback", headers=bearer, expect=409)
    await client.call("POST", f"{base}/rebuild/cancel", headers=bearer, expect=409)
    operator = {"Authorization": f"Bearer {ledger.create_key('operator')['token']}"}
    await client.call("POST", f"{base}/rebuild", headers=operator, expect=403)

    found = await _rebuilt(client, bearer, "executions", 2)
    assert (found["from_version"], found["result"]["alike"]) == (1, True)
    assert found["folded"] == found["target"] > 0
    assert await _answers_from(client, bearer, "executions") == 2
    events = ledger.run("events", "tail", "--after", "0", "--no-follow")
    assert events.count("RebuildStarted") == events.count("RebuildFinished") == 1


async def test_command_line_rebuilds_rolls_back_and_drops(ledger: Ledger) -> None:
    would = ledger.run("projections", "rebuild", "workflows", "--dry-run")
    assert "while version 1 of workflows serves" in would
    assert "version 2 of workflows serves" in ledger.run("projections", "rebuild", "workflows")
    assert "version 1 of workflows serves" in ledger.run("projections", "rollback", "workflows")
    assert "dropped workflows_v2" in ledger.run("projections", "drop", "workflows", "--yes")
    refused = ledger.attempt("projections", "rollback", "workflows")
    assert refused.returncode == 1
    assert "there is no way back" in refused.stderr
    unknown = ledger.attempt("projections", "rebuild", "nothing")
    assert "no read model 'nothing'; there are dispatch, executions" in unknown.stderr
