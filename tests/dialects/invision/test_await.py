"""A start that waits for the end, on a real run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.dialects.invision.vendor import VENDOR
from tests.dialects.suite import Call


@pytest.fixture
def start(server):
    def started(run, query):
        path = VENDOR.start(run).target
        return server.ask(VENDOR.sign(Call("POST", f"{path}?{query}"), server.keys["operator"]))

    return started


@pytest.fixture
def meanwhile():
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit


def newer_than(server, run):
    while (newest := server.newest(run["flow"]["fullname"]))["run_id"] == run["run_id"]:
        pass
    return newest


@pytest.mark.parametrize("query", ["await=true", "Await=True", "AWAIT=1"])
@pytest.mark.parametrize(
    ("end", "word"),
    [("RunSucceeded", "Succeeded"), ("RunWarned", "Succeeded"), ("RunFailed", "Failed")],
)
def test_start_with_await_answers_when_the_run_has_ended(
    server, queued, start, meanwhile, query, end, word
):
    before = queued("suite.OTHER")
    waiting = meanwhile(start, before, query)
    run = newer_than(server, before)
    assert not waiting.done()
    server.report(run, [(end, None, {})])
    answer = waiting.result(30)
    assert (answer.status, answer.json) == (200, {"runId": run["run_id"], "status": word})


def test_cancelled_run_is_failed_for_an_awaiting_client(server, queued, start, meanwhile):
    before = queued("suite.OTHER")
    waiting = meanwhile(start, before, "await=true")
    run = newer_than(server, before)
    server.cancel(run, force=True)
    assert waiting.result(30).json == {"runId": run["run_id"], "status": "Failed"}


@pytest.mark.parametrize("query", ["", "await=false", "await=", "await=yes", "await=0"])
def test_start_without_await_answers_at_once(server, queued, start, query):
    answer = start(queued("suite.OTHER"), query)
    assert (answer.status, answer.json["status"]) == (200, "Pending")
    server.cancel(server.newest("suite.OTHER"), force=True)


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({"x-api-key": "good"}, "", 200),
        ({}, "api_key=good", 200),
        ({}, "API_Key=good", 200),
        ({"x-api-key": "good"}, "api_key=good", 200),
        ({"x-api-key": "good"}, "api_key=bad", 401),
        ({"x-api-key": "bad"}, "api_key=good", 401),
        ({}, "api_key=good&api_key=bad", 401),
        ({"x-api-key": ""}, "api_key=good", 200),
        ({"x-api-key": ""}, "api_key=", 401),
        ({"Authorization": "Bearer good"}, "", 401),
    ],
)
def test_key_is_accepted_in_header_or_query_but_not_twice(server, run_in, headers, query, status):
    token = server.keys["operator"].token
    target = VENDOR.status(run_in("running")).target + "?" + query.replace("good", token)
    call = Call("GET", target, None, {k: v.replace("good", token) for k, v in headers.items()})
    assert server.ask(call).status == status


def test_run_of_another_data_flow_is_not_found(server, run_in, queued):
    run, other = run_in("running"), queued("suite.OTHER")
    path = VENDOR.start(other).target.removesuffix("start")
    call = Call("GET", f"{path}runs/{run['run_id']}/status")
    answer = server.ask(VENDOR.sign(call, server.keys["operator"]))
    assert answer.status == 404


def test_run_id_is_read_in_any_case(server, run_in):
    run = run_in("running")
    path = VENDOR.status(run).target.replace(run["run_id"], run["run_id"].upper())
    answer = server.ask(VENDOR.sign(Call("GET", path), server.keys["operator"]))
    assert answer.json == {"runId": run["run_id"], "status": "Running"}


def test_arguments_become_the_payload(server, queued):
    body = {
        "globalArguments": {"region": "eu"},
        "activitiesExecutionData": [],
        "dataContext": "nightly",
        "unknown": 1,
    }
    call = VENDOR.start(queued("suite.OTHER")).sending(body)
    assert server.ask(VENDOR.sign(call, server.keys["operator"])).status == 200
    run = server.newest("suite.OTHER")
    assert run["payload"] == {
        "region": "eu",
        "activitiesExecutionData": [],
        "dataContext": "nightly",
    }
    server.cancel(run, force=True)


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "text/json", "application/problem+json"]
)
def test_names_ignore_case_and_any_json_content_type_is_accepted(server, queued, media_type):
    body = {"GlobalArguments": {"Region": "eu"}, "DATACONTEXT": "x", "dataContext": None}
    call = VENDOR.start(queued("suite.OTHER")).sending(body).having(Content_Type=media_type)
    assert server.ask(VENDOR.sign(call, server.keys["operator"])).status == 200
    run = server.newest("suite.OTHER")
    assert run["payload"] == {"Region": "eu", "dataContext": "x"}
    server.cancel(run, force=True)


def test_body_needs_no_content_type(server, queued):
    start = VENDOR.start(queued("suite.OTHER"))
    call = Call("POST", start.target, b'{"dataContext": "x"}')
    assert server.ask(VENDOR.sign(call, server.keys["operator"])).status == 200
    server.cancel(server.newest("suite.OTHER"), force=True)
