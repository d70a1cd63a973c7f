"""Runs of /v1: what a start, a look, a cancel and a retry answer."""

import re
from uuid import UUID, uuid4

import pytest

RUN = {
    "run_id", "run_number", "flow", "tenant", "status", "failing", "trigger", "started_by",
    "created_at", "started_at", "ended_at", "attempt", "retry_of", "root_run", "payload",
    "comment", "warnings", "error", "tasks", "position", "vendor_ids",
}  # fmt: skip
VENDOR_IDS = {
    "etlworks": {"flowId", "auditId", "listener", "messageId"},
    "invision": {"dataflowId", "runId"},
    "director": {"id"},
    "naver": {"workflowId", "jobId", "triggerId", "jobExecutionId"},
    "incorta": {"executionId", "loadPlanName"},
    "airflow": {"dagId", "dagRunId"},  # the suite's sixth
}
TASK = {
    "task_id", "path", "key", "previous", "hook", "status", "attempt", "started_at", "ended_at",
    "result", "warnings", "metrics", "error", "log", "carried_from",
}  # fmt: skip
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_start_returns_the_run_that_a_read_returns(server, api):
    answer = api.ask(
        "POST", "/v1/runs", {"flow": "suite.ORDERS", "payload": {"day": 1}, "comment": "why"}
    )
    run = answer.json
    assert answer.status == 201
    assert answer.headers["Location"] == f"/v1/runs/{run['run_id']}"
    assert int(answer.headers["Flowledger-Position"]) == run["position"]
    assert api.get(answer.headers["Location"]) == run


def test_a_run_shows_every_field_and_the_ids_of_every_vendor(api):
    run = api.start(payload={"day": 1}, comment="why")
    assert run.keys() == RUN
    assert {vendor: ids.keys() for vendor, ids in run["vendor_ids"].items()} == VENDOR_IDS
    assert all(task.keys() == TASK for task in run["tasks"])
    assert MOMENT.fullmatch(run["created_at"])
    assert {name: run[name] for name in RUN - VARYING} == {
        "flow": {"fullname": "suite.ORDERS", "version": 1},
        "tenant": "default",
        "status": "queued",
        "failing": False,
        "trigger": "on_demand",
        "started_by": "operator",
        "started_at": None,
        "ended_at": None,
        "attempt": 1,
        "retry_of": None,
        "payload": {"day": 1},
        "comment": "why",
        "warnings": [],
        "error": None,
    }
    assert run["root_run"] == run["run_id"] == str(UUID(run["run_id"]))


VARYING = {"run_id", "run_number", "created_at", "root_run", "tasks", "position", "vendor_ids"}


def test_failed_run_names_its_failed_task_and_statement(server, api):
    run = server.brought_to("failed")
    shown = api.get(f"/v1/runs/{run['run_id']}")
    assert shown["status"] == "failed"
    assert shown["error"] == {
        "task": "BOTH/ORDERS",
        "reason": "error",
        "exception": "no such table: ordrs",
        "traceback": None,
        "statement": "insert into stage_orders\nselect *\nfrom ordrs",
        "line": 3,
    }
    assert MOMENT.fullmatch(shown["started_at"])
    assert MOMENT.fullmatch(shown["ended_at"])


def test_run_is_found_by_an_upper_case_id(api):
    run = api.start()
    assert api.get(f"/v1/runs/{run['run_id'].upper()}")["run_id"] == run["run_id"]


def test_null_comment_equals_an_absent_one(api):
    assert api.start(comment=None)["comment"] is None


def test_head_request_answers_like_get_without_a_body(api):
    answer = api.ask("HEAD", "/v1/runs")
    assert (answer.status, answer.body) == (200, b"")


# Idempotency


def repeat(api, body, key, target="/v1/runs"):
    return api.ask("POST", target, body, Idempotency_Key=key)


def test_repeated_start_returns_the_same_run_in_its_current_state(server, api):
    key, body = str(uuid4()), {"flow": "suite.ORDERS"}
    first = repeat(api, body, key)
    server.report(first.json, [("TaskStarted", "BOTH/ORDERS", {})])
    second = repeat(api, body, key)
    assert (first.status, second.status) == (201, 201)
    assert second.json == api.get(f"/v1/runs/{first.json['run_id']}")
    assert (first.json["status"], second.json["status"]) == ("queued", "running")
    assert first.headers["Location"] == second.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"


def test_different_start_with_a_used_key_is_refused(api, problem):
    key = str(uuid4())
    repeat(api, {"flow": "suite.ORDERS"}, key)
    for body in ({"flow": "suite.OTHER"}, {"flow": "suite.ORDERS", "payload": {"x": 1}}):
        assert problem(repeat(api, body, key), 422) == "key-reused"


def test_start_with_reordered_members_is_the_same_start(api):
    key = str(uuid4())
    first = repeat(api, b'{"flow": "suite.ORDERS", "payload": {"a": 1, "b": 2}}', key)
    again = repeat(api, b'{"payload": {"b": 2, "a": 1}, "flow": "suite.ORDERS"}', key)
    assert again.json["run_id"] == first.json["run_id"]


def test_idempotency_key_is_scoped_to_its_tenant(api):
    key, body = str(uuid4()), {"flow": "suite.ORDERS"}
    repeat(api, body, key)
    theirs = api.ask("POST", "/v1/runs", body, key="stranger", Idempotency_Key=key)
    assert theirs.status == 404


def test_a_repeated_retry_makes_one_run(api):
    run, key = api.start(), str(uuid4())
    target = f"/v1/runs/{run['run_id']}/retry"
    first, second = (repeat(api, None, key, target) for _ in range(2))
    assert first.json["run_id"] == second.json["run_id"] != run["run_id"]
    assert second.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "caf\xe9", "a\tb"])
def test_a_malformed_key_is_refused(api, problem, untouched, key):
    assert problem(repeat(api, {"flow": "suite.ORDERS"}, key), 400) == "bad-request"


# Cancel


def cancel(api, run, body=None):
    return api.ask("POST", f"/v1/runs/{run['run_id']}/cancel", body)


def test_cancel_of_a_running_run_returns_cancelling(server, api):
    run = server.brought_to("running")
    answer = cancel(api, run)
    assert (answer.status, answer.json["status"]) == (200, "cancelling")
    assert int(answer.headers["Flowledger-Position"]) == answer.json["position"]


def test_force_does_not_wait_for_running_tasks(server, api):
    run = server.brought_to("running")
    assert cancel(api, run, {"force": True}).json["status"] == "cancelled"


def test_forced_cancel_ends_a_run_that_is_cancelling(server, api):
    run = server.brought_to("cancelling")
    assert cancel(api, run, {"force": True}).json["status"] == "cancelled"


@pytest.mark.parametrize("state", ["succeeded", "warned", "failed", "cancelled"])
def test_cancel_of_an_ended_run_is_recorded_and_changes_nothing(server, api, problem, state):
    run = server.brought_to(state)
    assert problem(cancel(api, run), 409) == "run-ended"
    last = api.events_of(run)[-1]
    assert (last["type"], last["actor"]) == ("ReportRefused", "operator")
    assert api.get(f"/v1/runs/{run['run_id']}")["status"] == state


# Retry


@pytest.mark.parametrize("state", ["running", "succeeded", "failed", "cancelled"])
def test_a_retry_is_a_new_run_in_the_chain(server, api, state):
    first = server.brought_to(state)
    answer = api.ask("POST", f"/v1/runs/{first['run_id']}/retry")
    second = answer.json
    third = api.ask("POST", f"/v1/runs/{second['run_id']}/retry").json
    assert answer.status == 201
    assert answer.headers["Location"] == f"/v1/runs/{second['run_id']}"
    assert [run["attempt"] for run in (first, second, third)] == [1, 2, 3]
    assert [run["retry_of"] for run in (second, third)] == [first["run_id"], second["run_id"]]
    assert {run["root_run"] for run in (first, second, third)} == {first["run_id"]}
    assert (second["status"], second["trigger"]) == ("queued", "retry")
    assert second["payload"] == first["payload"]


@pytest.fixture
def half_done(server, api):
    """A failed run of two groups, the first done and the second not."""
    run = api.start(payload={"day": 1})
    server.report(run, [("TaskSucceeded", "BOTH/ORDERS", {}), ("TaskFailed", "BOTH/ITEMS", {})])
    return run


def retry(api, run, body):
    return api.ask("POST", f"/v1/runs/{run['run_id']}/retry", body)


@pytest.mark.parametrize(
    "part",
    [
        {"from": "failed"},
        {"from": "failed", "group": None},
        {"from": "failed", "group": 2},
        {"from": "group", "group": 2},
    ],
)
def test_partial_retry_counts_other_tasks_as_done_in_the_earlier_run(server, api, half_done, part):
    answer = retry(api, half_done, part)
    orders, items = answer.json["tasks"]
    assert answer.status == 201
    assert [(task["status"], task["attempt"]) for task in (orders, items)] == [
        ("succeeded", 0),
        ("pending", 0),
    ]
    assert (orders["carried_from"], items["carried_from"]) == (half_done["run_id"], None)
    assert (orders["started_at"], orders["ended_at"]) == (None, answer.json["created_at"])
    assert answer.json["retry_of"] == half_done["run_id"]
    server.report(answer.json, [("TaskSucceeded", "BOTH/ITEMS", {})])
    assert api.get(f"/v1/runs/{answer.json['run_id']}")["status"] == "succeeded"


@pytest.mark.parametrize("part", [{}, {"from": "start"}, {"from": "group", "group": 1}])
def test_full_retry_counts_no_task_as_done(api, half_done, part):
    tasks = retry(api, half_done, part).json["tasks"]
    assert {task["status"] for task in tasks} == {"pending"}


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"from": "end"}, "from"),
        ({"from": None}, "from"),
        ({"from": ["start"]}, "from"),
        ({"from": "start", "group": 1}, "group"),
        ({"group": 2}, "group"),
        ({"from": "group"}, "group"),
        ({"from": "group", "group": 0}, "group"),
        ({"from": "group", "group": "2"}, "group"),
        ({"from": "failed", "group": True}, "group"),
        ({"from": "group", "group": 3}, "group"),
        ({"from": "failed", "group": 2**63 - 1}, "group"),
    ],
)
def test_retry_of_an_invalid_part_is_refused(api, half_done, untouched, part, field):
    answer = retry(api, half_done, part)
    assert (answer.status, answer.json["field"]) == (400, field), answer.body


def test_partial_retry_of_an_open_run_is_refused(server, api, problem):
    answer = retry(api, server.brought_to("running"), {"from": "failed"})
    assert problem(answer, 409) == "run-open"


def test_retry_of_a_group_is_refused_before_earlier_groups_are_done(server, api, problem):
    answer = retry(api, server.brought_to("failed"), {"from": "group", "group": 2})
    assert problem(answer, 409) == "not-retryable"
    assert "BOTH/ORDERS before group 2" in answer.json["detail"]


def test_retry_of_failed_tasks_is_refused_when_all_tasks_are_done(server, api, problem):
    run = server.brought_to("succeeded")
    assert problem(retry(api, run, {"from": "failed"}), 409) == "not-retryable"


def test_an_exclusive_flow_takes_one_run_at_a_time(server, api, problem):
    run = api.start("suite.EXCLUSIVE")
    busy = api.ask("POST", "/v1/runs", {"flow": "suite.EXCLUSIVE"})
    assert problem(busy, 409) == "flow-busy"
    cancel(api, run, {"force": True})
    again = api.start("suite.EXCLUSIVE")
    cancel(api, again, {"force": True})
