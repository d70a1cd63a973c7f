"""NAVER's operations against a real server, as its clients call them."""

from __future__ import annotations

import re

import pytest

from service.dialects.naver import ids
from service.dialects.naver.auth import sign
from tests.dialects.naver.desk import Desk
from tests.dialects.suite import Call, vendor

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+09:00")


def test_started_execution_is_ready_in_the_list_at_once(desk):
    before = desk.list("naver.NIGHTLY")["count"]
    row = desk.start("naver.NIGHTLY")
    assert desk.list("naver.NIGHTLY")["count"] == before + 1
    assert row["status"] == "READY"
    assert row["endDate"] is None
    assert row["startDate"] == row["createdDate"]
    assert DATE.fullmatch(row["createdDate"])
    assert row["jobCondition"]["timeout"] == 90
    run = desk.own("GET", "/v1/runs?flow=naver.NIGHTLY&limit=1")["runs"][0]
    assert ids.execution(row["jobExecutionId"]) == (run["run_number"], 0)
    assert run["vendor_ids"]["naver"]["jobExecutionId"] == row["jobExecutionId"]


def test_accepted_start_names_workflow_and_trigger(desk):
    answer = desk.ask("POST", desk.path("naver.FIXED"))
    assert answer.json == {
        "workflowId": "wfA1b2C3d4E5",
        "triggerId": desk.list("naver.FIXED")["list"][0]["triggerId"],
        "status": "ACCEPTED",
    }
    assert desk.list("naver.FIXED")["list"][0]["jobId"] == "Jb3Tn8KwR5yZ"


def test_execution_goes_from_ready_over_running_to_completed(desk):
    desk.start("naver.NIGHTLY")
    desk.report("naver.NIGHTLY", "RunStarted")
    running = desk.list("naver.NIGHTLY")["list"][0]
    assert (running["status"], running["endDate"]) == ("RUNNING", None)
    desk.report("naver.NIGHTLY", "RunSucceeded")
    done = desk.list("naver.NIGHTLY")["list"][0]
    assert done["status"] == "COMPLETED"
    assert done["startDate"] <= done["endDate"]


def test_pages_are_newest_first_and_count_is_of_all(desk):
    made = [desk.start("naver.NIGHTLY")["jobExecutionId"] for _ in range(3)][::-1]
    first = desk.list("naver.NIGHTLY", "?page=0&limit=2")
    second = desk.list("naver.NIGHTLY", "?page=1&limit=2")
    rows = [row["jobExecutionId"] for row in (*first["list"], *second["list"])]
    assert rows[:3] == made
    assert first["count"] == second["count"] == desk.list("naver.NIGHTLY", "")["count"]
    assert (second["page"], second["limit"]) == (1, 2)


def test_workflow_without_executions_has_an_empty_list(desk):
    assert desk.list("naver.IDLE", "") == {"list": [], "count": 0, "page": 0, "limit": 1000}


@pytest.mark.parametrize(
    ("text", "found"),
    [("", True), ("nightly", True), ("er.NIGHT", True), ("nightly%20load", False), ("%2B", False)],
)
def test_executions_are_filtered_by_workflow_name(desk, text, found):
    desk.start("naver.NIGHTLY")
    listed = desk.list("naver.NIGHTLY", f"?filter={text}&page=0&limit=1")
    assert (len(listed["list"]), listed["count"] > 0) == (int(found), found)


@pytest.mark.parametrize("page", [10**6, 2**31, 2**63 - 1])
def test_page_past_the_end_is_empty_with_the_total_count(desk, page):
    desk.start("naver.NIGHTLY")
    count = desk.list("naver.NIGHTLY", "?limit=0")["count"]
    listed = desk.list("naver.NIGHTLY", f"?page={page}&limit=20")
    assert (listed["list"], listed["count"], listed["limit"]) == ([], count, 20)


def test_workflow_of_another_tenant_is_not_found(desk):
    stranger = Desk(desk.server, "naver", desk.server.keys["operator"])
    answer = stranger.ask("GET", desk.path("naver.NIGHTLY"))
    assert (answer.status, answer.json["errorType"]) == (404, "not-found")


@pytest.mark.parametrize(
    "query", ["?filter=a+b", "?filter=a%2Bb", "?filter=%2f%2F", "?", "?x=%7e~"]
)
def test_signature_covers_the_target_as_sent(desk, query):
    assert desk.ask("GET", desk.path("naver.NIGHTLY") + query).status == 200


def test_absolute_target_is_signed_without_scheme_and_authority(desk):
    path = desk.path("naver.NIGHTLY")
    call = vendor("naver").sign(Call("GET", path), desk.key)
    absolute = Call("GET", f"http://ledger.example{path}", headers=call.headers)
    assert desk.server.ask(absolute).status == 200


@pytest.mark.parametrize("late_ms", [-299_000, 299_000])
def test_signature_within_five_minutes_of_clock_skew_is_accepted(desk, late_ms):
    assert _ask_late(desk, late_ms).status == 200


@pytest.mark.parametrize("late_ms", [-301_000, 301_000])
def test_expired_signature_is_refused_like_an_invalid_one(desk, late_ms):
    answer = _ask_late(desk, late_ms)
    assert answer.status == 401
    vendor("naver").check_error(answer, None)


def _ask_late(desk, late_ms):
    path, key = desk.path("naver.NIGHTLY"), desk.key
    signed = vendor("naver").sign(Call("GET", path), key)
    at_ms = str(int(signed.headers["x-ncp-apigw-timestamp"]) + late_ms)
    return desk.server.ask(
        signed.having(
            x_ncp_apigw_timestamp=at_ms,
            x_ncp_apigw_signature_v2=sign("GET", path, at_ms, key.access_key, key.secret_key),
        )
    )


def test_non_ascii_header_is_refused(desk):
    path = desk.path("naver.NIGHTLY")
    for name in ("x_ncp_iam_access_key", "x_ncp_apigw_signature_v2"):
        call = Call("GET", path).having(x_ncp_apigw_timestamp="1", **{name: b"\xff\xfe"})
        assert desk.server.ask(call).status == 401


def test_repeated_start_with_the_same_key_is_one_execution(desk):
    count = desk.list("naver.NIGHTLY", "?limit=0")["count"]
    call = Call("POST", desk.path("naver.NIGHTLY")).having(Idempotency_Key="start once")
    signed = vendor("naver").sign(call, desk.key)
    first, second = desk.server.ask(signed), desk.server.ask(signed)
    assert (first.status, first.body) == (second.status, second.body)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert desk.list("naver.NIGHTLY", "?limit=0")["count"] == count + 1


def test_start_accepts_any_body_and_the_vendors_key_header(desk):
    call = Call("POST", desk.path("naver.NIGHTLY"), b"").having(
        Content_Type="application/json", x_ncp_dataflow_payload="e30="
    )
    assert desk.server.ask(vendor("naver").sign(call, desk.key)).status == 202
