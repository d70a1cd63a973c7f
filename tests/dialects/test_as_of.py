"""Time travel in every vendor's words: any answer that was given can be had again."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from tests.dialects.serving import STARTED
from tests.dialects.suite import DIALECTS, NAMES, Call, vendor

every = pytest.mark.parametrize("name", NAMES)
HEADER = "Flowledger-As-Of"
FAILED = ("TaskFailed", "BOTH/ORDERS", {"exception": "no such table: ordrs"})
TOLD = [[], [STARTED], [("RunStarted", None, {})], [FAILED], [("RunFailed", None, {})]]


def reads(name, run):
    """Every read that needs a credential: those about a run or its flow, and those about all."""
    about = [call for call in vendor(name).calls(run) if call.method == "GET"]
    paths = {call.path for call in about}
    plain = [
        Call("GET", route.path)
        for route in DIALECTS[name].routes
        if route.method == "GET" and route.right and "{" not in route.path
        if route.path not in paths
    ]
    return about + plain


def looking_back(call, moment, *, by="query"):
    if by == "header":
        return call.having(**{HEADER: str(moment)})
    joined = "&" if "?" in call.target else "?"
    target = f"{call.target}{joined}as_of={quote(str(moment))}"
    return Call(call.method, target, call.body, call.headers)


def ask(server, name, call):
    return server.ask(vendor(name).sign(call, server.keys["operator"]))


def shown(answer):
    """The body, without what grows with the clock while a run is open."""
    if not answer.headers["Content-Type"].startswith("application/json"):
        return answer.body
    body = json.loads(answer.body)
    rows = [body, *body.get("list", [])] if isinstance(body, dict) else []
    for row in rows:
        if row.get("endDate", "") is None:
            row["runningTime"] = row["waitingTime"] = None
    return body


@every
def test_answer_given_at_a_position_is_repeated_as_of_it(server, name):
    run = server.begin("suite.ORDERS", {"n": 1})
    given = []
    for facts in TOLD:
        if facts:
            server.report(run, facts)
        for call in reads(name, run):
            answer = ask(server, name, call)
            assert answer.status == 200, call
            given.append((call, answer))
    server.begin("suite.ORDERS", {"n": 2})
    for number, (call, before) in enumerate(given):
        position = before.headers["Flowledger-Position"]
        past = looking_back(call, position, by=("query", "header")[number % 2])
        first, second = (ask(server, name, past) for _ in range(2))
        assert first.status == 200, past
        assert shown(first) == shown(before), past
        assert first.headers["Flowledger-Position"] == position
        assert first.body == second.body


@every
def test_time_resolves_to_the_position_recorded_then(server, name):
    run = server.begin("suite.ORDERS", {})
    position = server.read(run)["position"]
    at = server.run(server.service.log.recorded_at(position))
    server.report(run, [STARTED])
    for call in reads(name, run):
        by_time = ask(server, name, looking_back(call, at.isoformat()))
        by_position = ask(server, name, looking_back(call, position))
        assert by_time.status == 200, call
        assert (by_time.body, by_time.headers["Flowledger-Position"]) == (
            by_position.body,
            str(position),
        )


@every
def test_answer_returns_the_requested_position_and_not_the_runs(server, run_in, name):
    run = run_in("failed")
    position = server.begin("suite.ORDERS", {})["position"]
    for call in reads(name, run):
        answer = ask(server, name, looking_back(call, position))
        assert (answer.status, answer.headers["Flowledger-Position"]) == (200, str(position)), call


def test_duration_as_of_a_moment_ends_at_that_moment(server, monkeypatch):
    """Only NAVER shows how long an open run takes; this run began an hour before its report."""
    run = server.begin("suite.ORDERS", {})
    began = datetime.now(UTC) - timedelta(hours=1)
    started = {"event_id": "began", "type": "RunStarted", "occurred_at": began.isoformat()}
    server.own("POST", f"/v1/runs/{run['run_id']}/events", {"events": [started]})
    position = server.read(run)["position"]
    recorded_at = server.run(server.service.log.recorded_at(position))
    status = vendor("naver").status(run)
    calls = [
        vendor("naver").sign(call, server.keys["operator"])
        for call in (looking_back(status, position), status)
    ]
    in_an_hour = time.time_ns() + 3_600_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: in_an_hour)
    past, present = (_running_time(server.ask(call), run) for call in calls)
    assert past == int((recorded_at - began).total_seconds()) >= 3600
    assert present >= 7200


def _running_time(answer, run):
    wanted = run["vendor_ids"]["naver"]["jobExecutionId"]
    (row,) = [row for row in answer.json["list"] if row["jobExecutionId"] == wanted]
    return row["runningTime"]


@every
def test_run_as_of_a_moment_before_its_start_is_not_found(server, name):
    before = server.head()
    run = server.begin("suite.ORDERS", {})
    status = vendor(name).status(run)
    answer = ask(server, name, looking_back(status, before))
    if name == "naver":  # which has a list for a status
        ids = run["vendor_ids"]["naver"]
        assert ids["jobExecutionId"] not in {row["jobExecutionId"] for row in answer.json["list"]}
        return
    assert answer.status == 404
    vendor(name).check_error(answer, status)


@every
def test_nothing_exists_as_of_a_moment_before_registration(server, run_in, name):
    for call in reads(name, run_in("running")):
        answer = ask(server, name, looking_back(call, 0))
        if answer.status == 200:  # a list of everything
            listed = answer.json
            assert (listed["list"] if isinstance(listed, dict) else listed) == []
        else:
            assert answer.status == 404
            vendor(name).check_error(answer, call)
        assert answer.headers["Flowledger-Position"] == "0"


@every
def test_another_tenants_past_is_not_found(server, run_in, name):
    run = run_in("running")
    for call in vendor(name).calls(run):
        if call.method == "GET":
            past = looking_back(call, run["position"])
            answer = server.ask(vendor(name).sign(past, server.keys["stranger"]))
            assert answer.status == 404, call
            vendor(name).check_error(answer, call)


WRONG = ["", "yesterday", "-1", "1.5", str(2**63), "9" * 40, "2026-01-31T09:00:00", "0001-01-01"]


@every
def test_malformed_moment_gets_the_vendors_error(server, run_in, name):
    future = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for call in reads(name, run_in("running")):
        for wrong in (*WRONG, future, server.head() + 1000):
            for by in ("query", "header"):
                answer = ask(server, name, looking_back(call, wrong, by=by))
                assert (answer.status, wrong) == (400, wrong)
                vendor(name).check_error(answer, call)


@every
def test_two_different_moments_are_refused(server, run_in, name):
    for call in reads(name, run_in("running")):
        answer = ask(server, name, looking_back(looking_back(call, 1), 2, by="header"))
        assert answer.status == 400
        vendor(name).check_error(answer, call)
        same = looking_back(looking_back(call, 3), 3, by="header")
        assert ask(server, name, same).status != 400


@every
def test_only_reads_accept_as_of(server, run_in, name):
    run, head = run_in("running"), server.head()
    for call in vendor(name).calls(run):
        if call.method == "POST":
            for by in ("query", "header"):
                answer = ask(server, name, looking_back(call, 1, by=by))
                assert answer.status == 400, call
                vendor(name).check_error(answer, call)
    assert server.head() == head


@every
def test_head_request_accepts_as_of_like_get(server, run_in, name):
    run = run_in("failed")
    for call in reads(name, run):
        past = looking_back(Call("HEAD", call.target), run["position"])
        answer = ask(server, name, past)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["Flowledger-Position"] == str(run["position"])
