"""The real celery-director and the ledger answer the same requests alike.

What they answer differently on purpose is in the dialect's README, and here in `DEVIATIONS` and in
the tests that name it.
"""

from __future__ import annotations

import pytest

from tests.dialects.director.beside import cases
from tests.dialects.director.beside.comparison import assert_same
from tests.dialects.suite import Call

# These start servers of both; `make compare-director` runs them.
pytestmark = pytest.mark.timeout(300)

WORKFLOW = Call("GET", "/api/workflows/{id}")
RELAUNCH = Call("POST", "/api/workflows/{id}/relaunch")
CANCEL = Call("POST", "/api/workflows/{id}/cancel")


def test_reads_are_answered_the_same(opened):
    assert_same(opened, cases.reads())


def test_addresses_and_methods_are_answered_the_same(opened):
    assert_same(opened, cases.addresses())


def test_pages_are_answered_the_same(opened):
    assert_same(opened, cases.pages())


def test_starts_are_refused_the_same(opened):
    assert_same(opened, cases.refused_starts())


def test_starts_are_accepted_the_same(opened):
    assert_same(opened, cases.accepted_starts())


def test_request_that_crashes_director_is_refused(opened):
    for call, status in cases.crashes():
        theirs, ours = (side.ask(call) for side in opened)
        assert (theirs.status, ours.status) == (500, status), (call, theirs.body, ours.body)
        assert ours.json["error"]


@pytest.mark.parametrize("call", [RELAUNCH, CANCEL], ids=["relaunch", "cancel"])
def test_relaunch_and_cancel_ignore_their_body_the_same(opened, call):
    for body, kind in cases.BODIES:
        for side in opened:
            side.start("SLOW", payload={"sleep": 2}, comment="again")
        request = Call(call.method, call.target, body, {"Content-Type": kind} if kind else {})
        assert_same(opened, [request])


def test_unknown_ids_are_answered_the_same(opened):
    typed = (cases.UNKNOWN, cases.UNKNOWN.upper(), "%7B" + cases.UNKNOWN.replace("-", "") + "%7D")
    for operation in ("relaunch", "cancel"):
        calls = [Call("POST", f"/api/workflows/{each}/{operation}") for each in typed]
        assert_same(opened, calls)


@pytest.mark.parametrize("name", ["ETL", "RANDOMS", "HOOKS", "ECHO", "FAIL_HOOKS", "FAIL_SILENT"])
def test_workflow_ends_the_same(opened, name):
    for side in opened:
        side.start(name, payload={"a": [1, "é"]})
    for side in opened:
        side.ended()
    assert_same(opened, [WORKFLOW])


@pytest.mark.parametrize("name", ["FAIL", "FAIL_GROUP"])
def test_tasks_after_a_failure_are_canceled_where_director_leaves_them_pending(opened, name):
    theirs, ours = (_ended(side, name) for side in opened)
    left = {key for key, (status, _) in theirs.items() if status == "pending"}
    assert left == {"LOAD"}
    assert ours == theirs | dict.fromkeys(left, ("canceled", None))


def _ended(side, name):
    side.start(name)
    workflow = side.ended()
    assert workflow["status"] == "error"
    shown = {}
    for task in workflow["tasks"]:
        if task["status"] == "error":
            assert task["result"].pop("traceback").startswith("Traceback (most recent call last):")
        shown[task["key"]] = (task["status"], task["result"])
    return shown


def test_cancel_of_a_running_workflow_is_answered_the_same(opened):
    for side in opened:
        side.start("SLOW", payload={"sleep": 30})
        side.until(lambda workflow: workflow["tasks"] and "progress" in _statuses(workflow))
    assert_same(opened, [CANCEL, WORKFLOW, CANCEL, WORKFLOW])


def _statuses(workflow):
    return {task["status"] for task in workflow["tasks"]}


def test_cancel_of_an_ended_workflow_changes_it_only_in_director(opened):
    theirs, ours = ([_canceled(side, name) for name in ("ETL", "FAIL")] for side in opened)
    assert theirs == ["canceled", "canceled"]
    assert ours == ["success", "error"]


def _canceled(side, name):
    side.start(name)
    side.ended()
    answer = side.ask(CANCEL)
    assert answer.status == 201
    return answer.json["status"]


def test_credentials_are_asked_for_the_same(closed):
    assert_same(closed, cases.credentials())


def test_credential_that_is_known_is_answered_as_without_authentication(closed):
    known = {"Authorization": "Basic {basic}"}
    targets = ("/api/definitions", "/api/workflows/{id}", "/api/workflows?page=0", "/api/nothing")
    calls = [Call("GET", target, headers=known) for target in targets]
    assert_same(closed, calls)
