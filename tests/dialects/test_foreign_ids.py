"""What is another tenant's is not there: a walk over every route with another's ids."""

from __future__ import annotations

import pytest

from tests.dialects.suite import DIALECTS
from tests.dialects.walk import PARTS, client, lists, unfilled

every = pytest.mark.parametrize("name", PARTS)
NEIGHBOUR = "neighbour"


@pytest.fixture(scope="module")
def neighbours(server):
    """A run of another tenant, which has the same flows."""
    server.settle(NEIGHBOUR)
    return server.begin("suite.ORDERS", {}, key=NEIGHBOUR)


@every
async def test_the_walk_reaches_every_route(run_in, name):
    left_out = await unfilled(name, run_in("running"))
    assert not left_out, f"calls() of the client of {name} has no call for: {', '.join(left_out)}"


async def test_route_without_a_call_is_reported(run_in, monkeypatch):
    monkeypatch.setattr(type(client("etlworks")), "calls", lambda *_: ())
    left_out = await unfilled("etlworks", run_in("running"))
    assert "GET /rest/v1/executions/{flowId}" in left_out
    assert "POST /rest/v1/flows/{flowId}/run" in left_out


@every
def test_tenant_without_runs_finds_nothing_of_another_on_any_route(server, run_in, name):
    run, head = run_in("running"), server.head()
    for call in client(name).calls(run):
        answer = server.ask(client(name).sign(call, server.keys["stranger"]))
        assert (answer.status, call) == (404, call), answer.body
        client(name).check_error(answer, call)
    assert server.head() == head


@every
def test_no_list_shows_anything_of_another_tenant(server, run_in, name):
    run = run_in("running")
    for call in lists(name, run):
        answer = server.ask(client(name).sign(call, server.keys["stranger"]))
        assert answer.status in {200, 403}, (call, answer.body)  # 403: for a whole ledger's key
        for text in (run["run_id"], "suite."):
            assert text.encode() not in answer.body, call


@pytest.mark.parametrize("name", DIALECTS)
def test_own_flow_with_a_foreign_run_is_not_found_nor_the_reverse(server, run_in, neighbours, name):
    run = run_in("running")
    theirs, mine = run["vendor_ids"][name], neighbours["vendor_ids"][name]
    flows = server.service.catalogue.find(NEIGHBOUR, "suite.ORDERS").ids[name]
    mixed = [
        {**theirs, **{kind: mine[kind] for kind in flows if kind in mine}},
        {**mine, **{kind: theirs[kind] for kind in flows if kind in theirs}},
    ]
    own, head = list(client(name).calls(neighbours)), server.head()
    for ids in mixed:
        hybrid = {**neighbours, "vendor_ids": {name: ids}}
        for call in (call for call in client(name).calls(hybrid) if call not in own):
            answer = server.ask(client(name).sign(call, server.keys[NEIGHBOUR]))
            assert (answer.status, call) == (404, call), answer.body
            client(name).check_error(answer, call)
    assert server.head() == head
