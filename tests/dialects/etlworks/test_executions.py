"""Which execution of a flow is shown, to whom, and the same at both addresses."""

from __future__ import annotations

import pytest

from tests.dialects.etlworks.vendor import VENDOR
from tests.dialects.suite import Call

BOTH = ("/rest/v1/executions", "/plugins/dashboard/rest/v1/flows")


@pytest.fixture
def get(server):
    def asked(target, key="operator"):
        return server.ask(VENDOR.sign(Call("GET", target), server.keys[key]))

    return asked


def ids(run):
    return run["vendor_ids"]["etlworks"]


@pytest.mark.parametrize("query", ["", "?auditId={auditId}", "?messageId={messageId}", "?x=1"])
def test_legacy_address_answers_the_same_bytes(get, run_in, query):
    run = run_in("failed")
    first, second = (
        get(f"{root}/{ids(run)['flowId']}" + query.format(**ids(run))) for root in BOTH
    )
    assert first.status == second.status == 200
    assert first.body == second.body


@pytest.mark.parametrize("root", BOTH)
def test_without_a_choice_the_newest_execution_is_shown_even_while_it_runs(get, run_in, root):
    run_in("succeeded")
    newest = run_in("running")
    shown = get(f"{root}/{ids(newest)['flowId']}?auditId=&messageId=").json
    assert (shown["auditId"], shown["status"]) == (newest["run_number"], "running")


def test_chosen_execution_must_match_all_that_is_given(get, run_in):
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
