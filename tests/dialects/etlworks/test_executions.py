"""Which execution of a flow is shown, to whom, and the same at both addresses."""

from __future__ import annotations

import pytest

from tests.dialects.etlworks.vendor import VENDOR
from tests.dialects.suite import Call

BOTH = ("/rest/v1/executions", "/plugins/dashboard/rest/v1/flows")


@pytest.fixture
def get(server):
    def send(target, key="operator"):
        return server.ask(VENDOR.sign(Call("GET", target), server.keys[key]))

    return send


def ids(run):
    return run["vendor_ids"]["etlworks"]


@pytest.mark.parametrize("query", ["", "?auditId={auditId}", "?messageId={messageId}", "?x=1"])
def test_legacy_address_returns_the_same_bytes(get, run_in, query):
    run = run_in("failed")
    first, second = (
        get(f"{root}/{ids(run)['flowId']}" + query.format(**ids(run))) for root in BOTH
    )
    assert first.status == second.status == 200
    assert first.body == second.body


@pytest.mark.parametrize("root", BOTH)
def test_newest_execution_is_the_default_even_while_it_runs(get, run_in, root):
    run_in("succeeded")
    newest = run_in("running")
    shown = get(f"{root}/{ids(newest)['flowId']}?auditId=&messageId=").json
    assert (shown["auditId"], shown["status"]) == (newest["run_number"], "running")


def test_chosen_execution_must_match_every_given_id(get, run_in):
    one, other = run_in("running"), run_in("running")
    path = f"{BOTH[0]}/{ids(one)['flowId']}"
    both = get(f"{path}?auditId={one['run_number']}&messageId={one['run_id'].upper()}")
    assert both.json["auditId"] == one["run_number"]
    mixed = get(f"{path}?auditId={one['run_number']}&messageId={other['run_id']}")
    assert mixed.status == 404
    assert one["run_id"] not in mixed.json["message"]


@pytest.mark.parametrize("choice", ["auditId={auditId}", "messageId={messageId}"])
def test_execution_of_another_flow_is_not_found(get, run_in, queued, choice):
    run, other = run_in("running"), queued("suite.OTHER")
    answer = get(f"{BOTH[0]}/{ids(other)['flowId']}?" + choice.format(**ids(run)))
    assert answer.status == 404


def test_flow_that_never_ran_has_no_execution(get, server):
    flow = server.service.catalogue.find("default", "suite.IDLE")
    answer = get(f"{BOTH[0]}/{flow.ids['etlworks']['flowId']}")
    assert answer.status == 404
    assert answer.json["message"].startswith("There are no executions of flow")


@pytest.mark.parametrize("role", ["viewer", "auditor"])
def test_roles_that_the_vendor_does_not_list_are_refused(get, run_in, role):
    answer = get(f"{BOTH[0]}/{ids(run_in('running'))['flowId']}", role)
    assert answer.status == 403
    assert answer.json["message"] == f"Role {role} may not read executions"


def test_retried_execution_names_the_first_of_its_chain(get, server, run_in):
    first = run_in("failed")
    second = server.retry(first)
    server.cancel(second, force=True)
    third = server.retry(second)
    shown = get(f"{BOTH[0]}/{ids(first)['flowId']}?auditId={third['run_number']}").json
    assert (shown["parentAuditId"], shown["retries"]) == (first["run_number"], 2)


def test_parameters_become_the_payload(server, queued):
    run = queued("suite.OTHER")
    call = VENDOR.start(run).sending({"region": "eu", "rows": 5, "dry": True, "note": None})
    started = server.ask(VENDOR.sign(call, server.keys["operator"])).json
    payload = server.newest("suite.OTHER")["payload"]
    assert payload == {"region": "eu", "rows": 5, "dry": True, "note": None}
    assert started["messageUuid"] is None


WORDS = (("running", "running"), ("success", "succeeded"), ("warning", "warned"))


@pytest.mark.parametrize("root", BOTH)
@pytest.mark.parametrize(("word", "state"), [*WORDS, ("error", "failed"), ("error", "cancelled")])
def test_status_filter_selects_the_newest_execution_with_it(get, run_in, root, word, state):
    run_in(state)
    wanted = run_in(state)
    run_in("succeeded" if state == "running" else "running")
    shown = get(f"{root}/{ids(wanted)['flowId']}?status={word}").json
    assert (shown["auditId"], shown["status"]) == (wanted["run_number"], word)


@pytest.mark.parametrize("state", ["queued", "cancelling"])
def test_open_execution_is_found_by_status_running(get, run_in, state):
    wanted = run_in(state)
    shown = get(f"{BOTH[0]}/{ids(wanted)['flowId']}?status=running").json
    assert shown["auditId"] == wanted["run_number"]


@pytest.mark.parametrize("word", ["lost", "Success", "queued", "canceled", "failed"])
def test_unknown_status_matches_no_execution(get, run_in, word):
    run = run_in("failed")
    answer = get(f"{BOTH[0]}/{ids(run)['flowId']}?status={word}")
    assert answer.status == 404
    assert answer.json["message"].endswith(f"with status {word}")


def test_empty_status_filter_equals_an_absent_one(get, run_in):
    newest = run_in("running")
    shown = get(f"{BOTH[0]}/{ids(newest)['flowId']}?status=").json
    assert shown["auditId"] == newest["run_number"]


def test_a_status_must_match_the_execution_that_is_named(get, run_in):
    run = run_in("failed")
    path = f"{BOTH[0]}/{ids(run)['flowId']}?auditId={run['run_number']}"
    assert get(f"{path}&status=error").status == 200
    assert get(f"{path}&status=success").status == 404
    by_message = f"{BOTH[0]}/{ids(run)['flowId']}?messageId={run['run_id']}"
    assert get(f"{by_message}&status=running").status == 404


def test_status_filter_as_of_the_past_is_refused_with_a_reason(get, run_in):
    run = run_in("failed")
    path = f"{BOTH[0]}/{ids(run)['flowId']}"
    answer = get(f"{path}?status=error&as_of={run['position']}")
    assert answer.status == 400
    assert "leave status out" in answer.json["message"]
    named = f"{path}?auditId={run['run_number']}&as_of={run['position']}"
    assert get(f"{named}&status=error").status == 200


def test_lookup_by_status_retries_when_the_run_changes_meanwhile(get, server, run_in, monkeypatch):
    older, newest = run_in("running"), run_in("running")
    queries = server.service.queries
    real, moved = queries.execution, []

    async def once_ended(tenant, run_id):
        run = await real(tenant, run_id)
        if not moved:
            moved.append(run_id)
            return run | {"status": "failed"}
        return run

    monkeypatch.setattr(queries, "execution", once_ended)
    shown = get(f"{BOTH[0]}/{ids(older)['flowId']}?status=running").json
    assert (shown["auditId"], moved) == (newest["run_number"], [newest["run_id"]])


@pytest.mark.parametrize(
    ("told_six", "queued", "cancelled"),
    [
        ((), "running", "error"),
        (("other",), "running", "error"),
        (("default",), "queued", "canceled"),
        (("*",), "queued", "canceled"),
    ],
)
def test_tenant_set_to_six_status_words_reads_six(
    get, run_in, with_settings, told_six, queued, cancelled
):
    with_settings(etlworks_six_words=frozenset(told_six))
    for state, word in {"queued": queued, "running": "running", "cancelled": cancelled}.items():
        run = run_in(state)
        path = f"{BOTH[0]}/{ids(run)['flowId']}"
        assert get(f"{path}?auditId={run['run_number']}").json["status"] == word
        assert get(f"{path}?status={word}").json["auditId"] == run["run_number"]


def test_log_shows_the_output_of_the_tasks(get, server, queued):
    run = queued("suite.ORDERS")
    facts = [
        ("TaskStarted", "BOTH/ORDERS", {}),
        ("TaskStarted", "BOTH/ITEMS", {}),
        ("TaskOutputRecorded", "BOTH/ITEMS", {"log": "items: 3 rows"}),
        ("TaskFailed", "BOTH/ORDERS", {"log": "orders:\nströmt\n"}),
    ]
    server.report(run, facts)
    query = "flowId={flowId}&auditId={auditId}".format(**ids(run))
    first, second = (get(f"{path}/console/download?{query}") for path in BOTH)
    assert first.body.decode() == (
        "=== BOTH/ORDERS (failed)\norders:\nströmt\n=== BOTH/ITEMS (running)\nitems: 3 rows\n"
    )
    assert first.body == second.body
    assert first.headers["Content-Type"] == "text/plain; charset=utf-8"
    name = "flow-{flowId}-{auditId}.log".format(**ids(run))
    assert first.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    past = get(f"{BOTH[0]}/console/download?{query}&as_of={run['position']}")
    assert (past.status, past.body) == (200, b"")


@pytest.mark.parametrize("role", ["viewer", "auditor"])
def test_log_is_refused_to_roles_that_the_vendor_does_not_list(get, run_in, role):
    run = run_in("failed")
    query = "flowId={flowId}&auditId={auditId}".format(**ids(run))
    assert get(f"{BOTH[0]}/console/download?{query}", role).status == 403


def test_log_of_another_flows_execution_is_not_found(get, run_in, queued):
    run, other = run_in("failed"), queued("suite.OTHER")
    query = f"flowId={ids(other)['flowId']}&auditId={ids(run)['auditId']}"
    assert get(f"{BOTH[0]}/console/download?{query}").status == 404
