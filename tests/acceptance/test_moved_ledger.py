"""A ledger moved by export and import is served on as the same: its runs, its keys, its numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import postgres
from tests.acceptance.ledger import Client, Ledger


@pytest.fixture
def another_url(postgres_run: Path, template_database: str):
    with postgres.fresh_database(postgres_run, template_database) as url:
        yield url


async def test_moved_ledger_is_served_and_a_repeated_start_runs_nothing_twice(
    database_url, another_url, tmp_path
):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    here, there = Ledger(database_url, tmp_path / "here"), Ledger(another_url, tmp_path / "there")
    file = str(tmp_path / "ledger.ndjson.zst")
    body = {"flow": "example.ETL", "payload": {}}
    try:
        here.set_up()
        process = await here.serve()
        async with Client(here, process) as client:
            keyed = {**client.bearer, "Idempotency-Key": "once"}
            started = await client.call("POST", "/v1/runs", body=body, headers=keyed, expect=201)
            before = await client.ended(started["run_id"])
        process.stop()
        here.run("events", "export", file)

        there.run("events", "import", file)
        listed = json.loads(there.run("keys", "list", "--json"))
        assert [key["key_id"] for key in listed] == [here.key["key_id"]]
        there.key = here.key
        process = await there.serve()
        async with Client(there, process) as client:
            await client.api("GET", f"/v1/runs/{started['run_id']}", expect=401)
            there.key = there.create_key("administrator")
            assert await client.run(started["run_id"]) == before
            keyed = {**client.bearer, "Idempotency-Key": "once"}
            again = await client.call("POST", "/v1/runs", body=body, headers=keyed, expect=201)
            assert again["run_id"] == started["run_id"]
            new = await client.start("example.ETL")
            assert new["run_number"] > before["run_number"]
            assert (await client.ended(new["run_id"]))["status"] == before["status"]
    finally:
        here.close()
        there.close()
