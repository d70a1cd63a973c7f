"""The sample flows do real work, and the ledger shows what became of it."""

from __future__ import annotations

import pytest

from tests.acceptance.ledger import Client


async def test_etl_reads_transforms_and_loads_with_row_counts(client: Client) -> None:
    run = await client.start("example.ETL")
    ended = await client.ended(run["run_id"])
    assert ended["status"] == "succeeded", ended
    assert [task["key"] for task in ended["tasks"]] == ["EXTRACT", "TRANSFORM", "LOAD"]
    assert all(task["metrics"] for task in ended["tasks"])


async def test_randoms_adds_the_results_of_its_group(client: Client) -> None:
    run = await client.start("example.RANDOMS")
    ended = await client.ended(run["run_id"])
    first, second, added = ended["tasks"]
    assert added["result"] == first["result"] + second["result"]
    assert added["previous"] == [first["task_id"], second["task_id"]]


async def test_fail_shows_the_failing_statement_and_its_line(client: Client) -> None:
    run = await client.start("example.FAIL")
    ended = await client.ended(run["run_id"])
    assert ended["status"] == "failed"
    assert ended["error"]["statement"]
    assert ended["error"]["line"] > 0
    seen = await client.seen_by_etlworks(ended)
    assert seen["status"] == "error"
    assert seen["code"] == ended["error"]["statement"]
    assert seen["errorLocationInSql"] == ended["error"]["line"]
    assert seen["exception"]


async def test_warn_ends_with_its_warnings(client: Client) -> None:
    run = await client.start("example.WARN")
    ended = await client.ended(run["run_id"])
    assert ended["status"] == "warned"
    assert ended["warnings"]
    assert (await client.seen_by_etlworks(ended))["status"] == "warning"


async def test_plan_shows_as_a_tree_of_groups_schemas_and_tables(client: Client) -> None:
    run = await client.start("example.PLAN")
    ended = await client.ended(run["run_id"])
    assert ended["status"] == "succeeded", ended
    tree = await client.seen_by_incorta(ended)
    groups = tree["childStatusDetails"]
    schemas = [schema for group in groups for schema in group["childStatusDetails"]]
    tables = [table for schema in schemas for table in schema["childStatusDetails"]]
    assert (len(groups), len(schemas), len(tables)) == (2, 3, 7)
    assert {table["status"]["jobStatus"] for table in tables} == {"Success"}


@pytest.mark.parametrize("force", [False, True])
async def test_slow_is_cancelled_while_it_runs(client: Client, *, force: bool) -> None:
    run = await client.start("example.SLOW", {"sleep": 60})
    await client.until(run["run_id"], lambda run: run["status"] == "running")
    await client.api("POST", f"/v1/runs/{run['run_id']}/cancel", {"force": force})
    ended = await client.ended(run["run_id"])
    assert ended["status"] == "cancelled"
    await client.api("POST", f"/v1/runs/{run['run_id']}/cancel", expect=409)
    assert (await client.run(run["run_id"]))["status"] == "cancelled"


async def test_a_retry_is_a_new_run_that_names_the_first(client: Client) -> None:
    first = await client.start("example.FAIL")
    await client.ended(first["run_id"])
    retried = await client.api("POST", f"/v1/runs/{first['run_id']}/retry", expect=201)
    assert retried["retry_of"] == retried["root_run"] == first["run_id"]
    assert retried["attempt"] == 2
    ended = await client.ended(retried["run_id"])
    seen = await client.seen_by_etlworks(ended)
    assert (seen["parentAuditId"], seen["retries"]) == (first["run_number"], 1)
