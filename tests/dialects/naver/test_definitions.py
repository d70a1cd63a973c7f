"""Workflows, jobs and triggers against a real server, as NAVER's clients ask for them."""

from __future__ import annotations

import re

import pytest

from tests.dialects.naver.desk import Desk
from tests.dialects.suite import vendor

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+09:00")
RUN_CONDITION = {
    "workerType": "DEFAULT",
    "numWorker": 2,
    "timeout": 360,
    "nrn": None,
    "scriptPath": None,
    "logPath": None,
}
TWO = "a.ONE:\n  executor: external\n  tasks: [A]\na.TWO:\n  executor: external\n  tasks: [A]\n"
ONE = TWO.partition("a.TWO")[0]


@pytest.fixture(scope="module")
def tenant(server, tmp_path_factory):
    """Two flows of which the second is retired after a run."""
    file = tmp_path_factory.mktemp("flows") / "flows.yaml"
    file.write_text(TWO)
    desk = Desk.opened(server, "retiring", file)
    desk.start("a.TWO")
    desk.before = server.head()
    file.write_text(ONE)
    desk.load(file)
    return desk


def names(page):
    return [row["name"] for row in page["list"]]


def test_workflow_shows_its_job_and_its_trigger_as_nodes(desk):
    ids = desk.ids("naver.DAILY")
    shown = desk.get(f"/api/v1/workflows/{ids['workflowId']}")
    assert DATE.fullmatch(shown.pop("createdDate"))
    assert DATE.fullmatch(shown.pop("updatedDate"))
    assert shown == {
        "workflowId": ids["workflowId"],
        "name": "naver.DAILY",
        "nodes": [
            {
                "id": ids["jobId"],
                "name": "naver.DAILY",
                "type": "JOB",
                "parentNodeIds": [ids["triggerId"]],
                "jobCondition": RUN_CONDITION,
                "isValid": True,
            },
            {
                "id": ids["triggerId"],
                "name": "naver.DAILY",
                "type": "TRIGGER",
                "parentNodeIds": [],
                "triggerRule": "RECURRING",
                "isValid": True,
            },
        ],
        "isTemp": False,
    }


def test_workflows_are_listed_by_name_with_their_newest_execution(desk):
    begun = desk.start("naver.NIGHTLY")["startDate"]
    page = desk.get("/api/v1/workflows")
    assert names(page) == sorted(names(page))
    assert (page["count"], page["page"], page["limit"]) == (len(page["list"]), 0, 1000)
    rows = {row["name"]: row for row in page["list"]}
    assert rows["naver.NIGHTLY"]["lastExecutionDate"] == begun
    assert rows["naver.IDLE"]["lastExecutionDate"] is None
    ids = desk.ids("naver.NIGHTLY")
    alone = desk.get(f"/api/v1/workflows/{ids['workflowId']}")
    assert rows["naver.NIGHTLY"] == alone | {
        "lastExecutionDate": begun,
        "triggerRuleType": "NONE",
        "resourceId": ids["workflowId"],
        "disabled": False,
    }


@pytest.mark.parametrize("kind", ["workflows", "jobs", "triggers"])
def test_pages_concatenate_to_the_whole_list(desk, kind):
    whole = names(desk.get(f"/api/v1/{kind}"))
    found = []
    for page in range(len(whole) + 1):
        part = desk.get(f"/api/v1/{kind}?page={page}&limit=2")
        assert (part["count"], part["page"], part["limit"]) == (len(whole), page, 2)
        found += names(part)
    assert found == whole


@pytest.mark.parametrize("kind", ["jobs", "triggers"])
@pytest.mark.parametrize(("part", "count"), [("nightly", 1), ("%2Enight", 1), ("none", 0)])
def test_jobs_and_triggers_are_filtered_by_part_of_their_name(desk, kind, part, count):
    page = desk.get(f"/api/v1/{kind}?name={part}&limit=10")
    assert (len(page["list"]), page["count"]) == (count, count)


def test_job_shows_the_status_of_its_newest_execution(desk):
    ids = desk.ids("naver.FIXED")
    path = f"/api/v1/jobs/{ids['jobId']}"
    row = desk.start("naver.FIXED")
    shown = desk.get(path)
    assert shown["runCondition"] == RUN_CONDITION
    assert (shown["status"], shown["lastExecutionStatus"]) == ("RUNNABLE", "READY")
    assert shown["lastExecutionDate"] == row["startDate"]
    desk.report("naver.FIXED", "RunStarted")
    shown = desk.get(path)
    assert (shown["status"], shown["lastExecutionStatus"]) == ("RUNNING", "RUNNING")
    listed = desk.get("/api/v1/jobs?status=RUNNING")
    assert "naver.FIXED" in names(listed)
    assert listed["count"] == len(listed["list"])
    desk.report("naver.FIXED", "RunFailed")
    shown = desk.get(path)
    assert (shown["status"], shown["lastExecutionStatus"]) == ("RUNNABLE", "FAILED")
    assert "naver.FIXED" not in names(desk.get("/api/v1/jobs?status=RUNNING"))
    assert "naver.FIXED" in names(desk.get("/api/v1/jobs?status=RUNNABLE"))


def test_job_without_executions_has_no_last_execution(desk):
    (row,) = desk.get("/api/v1/jobs?name=naver.IDLE")["list"]
    assert (row["status"], row["lastExecutionStatus"], row["lastExecutionDate"]) == (
        "RUNNABLE",
        None,
        None,
    )


def test_trigger_shows_the_flows_schedule(desk):
    ids = desk.ids("naver.DAILY")
    shown = desk.get(f"/api/v1/triggers/{ids['triggerId']}")
    assert (shown["name"], shown["type"]) == ("naver.DAILY", "SCHEDULED")
    assert shown["triggerRule"] == {"type": "RECURRING", "interval": "DAY", "time": "01:30"}


def test_retired_flow_is_not_listed_but_is_found_by_id(tenant):
    ids = tenant.ids("a.TWO")
    for kind in ("workflows", "jobs", "triggers"):
        assert names(tenant.get(f"/api/v1/{kind}")) == ["a.ONE"]
    assert tenant.get(f"/api/v1/jobs/{ids['jobId']}")["status"] == "DELETED"
    nodes = tenant.get(f"/api/v1/workflows/{ids['workflowId']}")["nodes"]
    assert {node["isValid"] for node in nodes} == {False}
    assert tenant.get(f"/api/v1/triggers/{ids['triggerId']}")["name"] == "a.TWO"
    assert tenant.list("a.TWO")["count"] == 1


@pytest.mark.parametrize("kind", ["workflows", "jobs", "triggers"])
def test_retired_flow_is_listed_as_of_a_time_before_its_retirement(tenant, kind):
    assert names(tenant.get(f"/api/v1/{kind}", tenant.before)) == ["a.ONE", "a.TWO"]


def test_job_of_a_retired_flow_cannot_be_executed(tenant):
    answer = tenant.ask("POST", f"/api/v1/jobs/{tenant.ids('a.TWO')['jobId']}/executions")
    assert (answer.status, answer.json["errorType"]) == (404, "not-found")


def test_execution_of_a_job_shows_its_parameters(desk):
    ids = desk.ids("naver.NIGHTLY")
    path = f"/api/v1/jobs/{ids['jobId']}/executions"
    answer = desk.ask("POST", path, {"parameters": {"day": "monday"}})
    assert answer.status == 200
    started = answer.json
    assert (started["jobId"], started["status"]) == (ids["jobId"], "READY")
    shown = desk.get(f"{path}/{started['jobExecutionId']}")
    assert shown["parsedParameters"] == {"day": "monday"}
    assert shown["createdDate"] == started["createdDate"]
    assert desk.get(f"{path}?page=0&limit=1")["list"][0] == shown
    assert desk.list("naver.NIGHTLY", "?page=0&limit=1")["list"][0] == shown


@pytest.mark.parametrize("body", [None, b"", b" ", {}, {"parameters": None}, {"parameters": []}])
def test_job_is_executed_without_parameters(desk, body):
    path = f"/api/v1/jobs/{desk.ids('naver.NIGHTLY')['jobId']}/executions"
    answer = desk.ask("POST", path, body)
    assert answer.status == 200
    assert desk.get(f"{path}/{answer.json['jobExecutionId']}")["parsedParameters"] == []


def test_execution_is_found_only_under_its_own_job(desk):
    made = desk.start("naver.NIGHTLY")["jobExecutionId"]
    other = desk.ids("naver.FIXED")["jobId"]
    for method, end in (("GET", ""), ("POST", "/cancel")):
        answer = desk.ask(method, f"/api/v1/jobs/{other}/executions/{made}{end}")
        assert (answer.status, answer.json["errorType"]) == (404, "not-found")
        assert answer.json["detail"] == f"Job execution {made} does not exist."
    assert desk.list("naver.NIGHTLY", "?limit=1")["list"][0]["status"] == "READY"


def test_cancel_returns_bare_true_until_the_execution_has_ended(desk):
    row = desk.start("naver.BUSY")
    path = f"/api/v1/jobs/{row['jobId']}/executions/{row['jobExecutionId']}"
    for _ in range(2):
        answer = desk.ask("POST", f"{path}/cancel")
        assert (answer.status, answer.body) == (200, b"true")
        assert desk.get(path)["status"] == "RUNNING"
    desk.report("naver.BUSY", "RunCancelled")
    ended = desk.get(path)
    assert ended["status"] == "CANCELED"
    again = desk.ask("POST", f"{path}/cancel")
    assert (again.status, again.json["errorType"]) == (400, "bad-state")
    vendor("naver").check_error(again, None)
    assert desk.get(path) == ended
