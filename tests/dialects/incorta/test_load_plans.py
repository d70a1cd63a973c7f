"""What a load plan's execution shows, and in which order a request is checked."""

from __future__ import annotations

import pytest

from tests.dialects.incorta.vendor import VENDOR
from tests.dialects.suite import Call

L, T = "Load State", "Terminator State"


@pytest.fixture
def get(server):
    def asked(target, key="operator"):
        return server.ask(VENDOR.sign(Call("GET", target), server.keys[key]))

    return asked


def words(node):
    return node["status"]["stateType"], node["status"]["jobStatus"]


@pytest.mark.parametrize(
    ("state", "plan", "first", "second"),
    [
        ("queued", (L, "In Queue"), (L, "In Queue"), (L, "In Queue")),
        ("running", (L, "In Progress"), (L, "In Progress"), (L, "In Queue")),
        ("failing", (L, "In Progress"), (T, "Failed"), (L, "In Progress")),
        ("cancelling", (L, "In Progress"), (L, "In Progress"), (L, "In Queue")),
        ("succeeded", (T, "Success"), (T, "Success"), (T, "Success")),
    ],
)
def test_groups_roll_up_what_is_below_them(get, run_in, state, plan, first, second):
    shown = get(VENDOR.status(run_in(state)).target + "?level=4").json
    groups = shown["childStatusDetails"]
    assert (words(shown), *map(words, groups)) == (plan, first, second)
    for group in groups:
        (schema,) = group["childStatusDetails"]
        (table,) = schema["childStatusDetails"]
        assert words(table) == words(schema) == words(group)
        assert "childStatusDetails" not in table


@pytest.mark.parametrize("state", ["succeeded", "warned", "failed", "cancelled"])
def test_nothing_below_an_ended_plan_is_open(get, run_in, state):
    def closed(node):
        return node["status"]["stateType"] == T and all(
            closed(child) for child in node.get("childStatusDetails", ())
        )

    assert closed(get(VENDOR.status(run_in(state)).target + "?level=4").json)


def test_failed_plan_of_which_a_part_succeeded_finished_with_errors(get, server, run_in):
    run = run_in("running")
    server.report(
        run,
        [
            ("TaskSucceeded", "BOTH/ORDERS", {}),
            ("TaskStarted", "BOTH/ITEMS", {}),
            ("TaskFailed", "BOTH/ITEMS", {}),
        ],
    )
    server.report(run, [("RunFailed", None, {})])
    assert words(get(VENDOR.status(run).target).json) == (T, "Finished with Errors")


def test_flow_without_a_load_plan_has_its_steps_as_groups(get, queued):
    shown = get(VENDOR.status(queued("suite.OTHER")).target + "?level=4").json
    (group,) = shown["childStatusDetails"]
    (schema,) = group["childStatusDetails"]
    (table,) = schema["childStatusDetails"]
    assert (group["name"], schema["name"], table["name"]) == ("ONLY", "ONLY", "ONLY.ONLY")


def test_token_is_checked_first_then_tenant_integer_level_and_existence(server, get):
    wrong = "/incorta/api/v2/Default/load-plan/status/abc?level=x"
    assert server.ask(Call("GET", wrong)).status == 401
    assert get(wrong).json == {"message": "Invalid [Default] tenant in resource path"}
    own = "/incorta/api/v2/default/load-plan/status"
    assert get(f"{own}/abc?level=7").status == 400
    assert get(f"{own}/2147483647?level=x").status == 400
    assert get(f"{own}/2147483647?level=7").status == 422
    assert get(f"{own}/2147483647?level=4").status == 404


def test_token_of_another_tenant_gets_the_tenants_refusal(get, run_in):
    answer = get(VENDOR.status(run_in("running")).target, "stranger")
    assert answer.json == {"message": "Invalid [default] tenant in resource path"}


@pytest.mark.parametrize("role", ["viewer", "auditor", "operator"])
def test_every_role_may_read(get, run_in, role):
    assert get(VENDOR.status(run_in("running")).target, role).status == 200


def test_plan_executes_once_at_a_time_and_again_when_it_has_ended(server, queued):
    call = VENDOR.sign(VENDOR.start(queued("suite.ONCE")), server.keys["operator"])
    first = server.ask(call)
    assert first.status == 200
    second = server.ask(call)
    assert (second.status, second.json["message"][:13]) == (400, "INC_05290501:")
    run = server.newest("suite.ONCE")
    assert run["run_number"] == first.json["loadPlanExecutionId"]
    server.cancel(run, force=True)
    third = server.ask(call)
    assert third.status == 200
    server.cancel(server.newest("suite.ONCE"), force=True)
