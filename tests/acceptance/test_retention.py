"""Old runs leave the lists of every dialect; by their ids all of them can still be read."""

from __future__ import annotations

import asyncio
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.ledger import Client, Ledger

FLOWS = """
    kept.TWO:
      executor: external
      tasks: [ONE]
      retention: {offset: 2}
"""


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Any:
    (tmp_path / "flows.yaml").write_text(textwrap.dedent(FLOWS))
    ledger = Ledger(database_url, tmp_path)
    ledger.set_up(tmp_path / "flows.yaml")
    yield ledger
    ledger.close()


async def test_old_runs_leave_the_lists_of_every_dialect_and_stay_readable_by_id(
    ledger: Ledger,
) -> None:
    async with Client(ledger, await ledger.serve()) as client:
        runs = [await client.start("kept.TWO") for _ in range(5)]
        for run in runs:
            await client.report(run["run_id"], {"event_id": "end", "type": "RunSucceeded"})
        newest = [run["run_id"] for run in runs[:2:-1]]
        async with asyncio.timeout(30):
            while await by_api(client) != newest:  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.02)
        assert await by_director(client) == newest
        assert await by_naver(client) == [
            run["vendor_ids"]["naver"]["jobExecutionId"] for run in runs[:2:-1]
        ]
        for run in runs:
            assert (await client.run(run["run_id"]))["status"] == "succeeded"
            assert (await client.seen_by_director(run))["status"] == "success"
            assert (await client.seen_by_etlworks(run))["auditId"]
            assert await client.seen_by_invision(run)
            assert await client.seen_by_incorta(run)
        key = ledger.create_key("auditor")
        path = f"/v1/runs?flow=kept.TWO&as_of={runs[-1]['position']}"
        past = await client.call("GET", path, headers={"Authorization": f"Bearer {key['token']}"})
        assert len(past["runs"]) == 5


async def by_api(client: Client) -> list[str]:
    return [run["run_id"] for run in (await client.api("GET", "/v1/runs"))["runs"]]


async def by_director(client: Client) -> list[str]:
    return [run["id"] for run in await client.call("GET", "/api/workflows", headers=client.basic)]


async def by_naver(client: Client) -> list[str]:
    workflow = client.ledger.flows["kept.TWO"]["naver"]["workflowId"]
    path = f"/api/v1/workflows/{workflow}/executions?page=0&limit=100"
    page = await client.call("GET", path, headers=client.signed("GET", path))
    return [row["jobExecutionId"] for row in page["list"]]
