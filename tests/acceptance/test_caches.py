"""Behind a shared cache with its default rules nobody gets another's answer."""

from __future__ import annotations

import pytest

from tests.acceptance.ledger import Client, Ledger
from tests.kit.varnish import varnish


class _Through:
    """A process as it is reached through a cache."""

    def __init__(self, url: str) -> None:
        self.url = url


@pytest.fixture
async def tenants(ledger: Ledger):
    """The keys of two tenants, each with a run of its own, and the URL of a cache in front."""
    ledger.run("flows", "load", "examples", "--tenant", "other")
    process = await ledger.serve()
    keys = {"default": ledger.key, "other": ledger.create_key("administrator", "other")}
    runs = {}
    for tenant, key in keys.items():
        ledger.key = key
        async with Client(ledger, process) as client:
            runs[tenant] = await client.run((await client.start("example.EXTERNAL"))["run_id"])
    with varnish(process.url) as url:
        yield keys, runs, url


def requests(client: Client, runs: dict) -> list[tuple[str, dict[str, str]]]:
    """A read through each vendor's API, with the credential as that vendor's clients send it."""
    ids = runs["default"]["vendor_ids"]
    invision, naver = ids["invision"], ids["naver"]
    status = f"/api/pub/v1/dataflows/{invision['dataflowId']}/runs/{invision['runId']}/status"
    jobs = f"/api/v1/workflows/{naver['workflowId']}/executions"
    token = client.ledger.key["token"]
    return [
        (f"/v1/runs/{runs['default']['run_id']}", client.bearer),
        (f"/rest/v1/executions/{ids['etlworks']['flowId']}", client.bearer),
        (status, {"x-api-key": token}),
        (f"/InVision{status}?api_key={token}", {}),
        (f"/api/workflows/{ids['director']['id']}", client.basic),
        (jobs, client.signed("GET", jobs)),
        ("/api/v1/jobs?size=10", client.signed("GET", "/api/v1/jobs?size=10")),
        (f"/v1/runs?as_of={runs['default']['position']}", client.bearer),
    ]


async def test_answer_of_one_tenant_reaches_neither_another_nor_a_stranger(ledger, tenants):
    keys, runs, url = tenants
    ledger.key = keys["default"]
    async with Client(ledger, _Through(url)) as mine:
        asked = requests(mine, runs)
        answers = [[await get(mine, path, headers) for path, headers in asked] for _ in range(2)]
        assert {status for status, _ in answers[1]} == {200}
        ledger.key = keys["other"]
        theirs = requests(mine, runs)
        for (path, _), (_, headers), (_, text) in zip(asked, theirs, answers[1], strict=True):
            if "api_key=" in path:
                continue  # the address itself is the credential
            assert (await get(mine, path, headers))[1] != text, path
            status, found = await get(mine, path, {})
            assert (status, found != text) == (401, True), path


async def get(client, path, headers):
    async with client.session.get(client.process.url + path, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_read_through_the_cache_shows_each_change_at_once(ledger, tenants):
    keys, runs, url = tenants
    ledger.key = keys["default"]
    async with Client(ledger, _Through(url)) as client:
        run_id = runs["default"]["run_id"]
        assert (await client.run(run_id))["status"] == "queued"
        await client.api("POST", f"/v1/runs/{run_id}/cancel", {"force": True})
        assert (await client.run(run_id))["status"] == "cancelled"
