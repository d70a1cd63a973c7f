"""Time travel under /v1: any answer that was given can be had again."""

from urllib.parse import quote

import pytest

from service.api.routes import ROUTES
from tests.dialects.serving import STARTED

TOLD = [
    [],
    [STARTED],
    [("RunWarned", None, {"warnings": ["late"]})],
    [("RunSucceeded", None, {})],
]
READS = {
    "/v1/runs": "/v1/runs?flow=suite.ORDERS&limit=3",
    "/v1/runs/{run_id:[^/]+}": "/v1/runs/{run_id}?",
    "/v1/runs/{run_id:[^/]+}/events": "/v1/runs/{run_id}/events?limit=2",
    "/v1/runs/{run_id:[^/]+}/history": "/v1/runs/{run_id}/history?",
    "/v1/flows": "/v1/flows?",
    "/v1/audit": "/v1/audit?limit=7",
}
"""A target for each read of what is in the log; the pages of the log itself have tests apart."""


def key(target):
    return "administrator" if target.startswith("/v1/audit") else "operator"


def past(target, moment):
    return f"{target}&as_of={quote(str(moment))}"


def test_every_read_answers_as_of_a_moment_or_gives_a_reason():
    reads = {route.path for route in ROUTES if route.method == "GET" and route.supports_as_of}
    assert reads == {*READS, "/v1/events"}


@pytest.mark.parametrize("path", READS)
def test_answer_given_at_a_position_is_repeated_as_of_it(server, api, path):
    run = api.start(payload={"n": 1})
    target = READS[path].format(**run)
    given = []
    for facts in TOLD:
        if facts:
            server.report(run, facts)
        given.append(api.ask("GET", target, key=key(target)))
    api.start(payload={"n": 2})
    for before in given:
        assert before.status == 200
        position = before.headers["Flowledger-Position"]
        answers = [api.ask("GET", past(target, position), key=key(target)) for _ in range(2)]
        assert [answer.body for answer in answers] == [before.body] * 2
        assert answers[0].headers["Flowledger-Position"] == position


def test_log_as_of_a_moment_ends_there(server, api):
    run = api.start()
    position = run["position"]
    server.report(run, [STARTED])
    events = f"/v1/events?after={position - 1}&as_of="
    page = api.get(f"{events}{position}", key="operator")
    assert [event["position"] for event in page["events"]] == [position]
    assert page["next_after"] == position
    whole = api.get(f"{events}{position}", key="auditor of all")
    assert [event["position"] for event in whole["events"]] == [position]
    ended = api.get(f"/v1/events?after={position}&as_of={position}", key="auditor of all")
    assert ended == {"events": [], "next_after": position}


def test_a_list_of_the_past_is_paged_by_its_cursor(api):
    runs = [api.start(payload={"page": n})["run_id"] for n in range(7)]
    position = api.get("/v1/runs?flow=suite.ORDERS&limit=1")["runs"][0]["position"]
    for _ in range(3):
        api.start()
    found, cursor = [], ""
    while len(found) < 7:
        target = f"/v1/runs?flow=suite.ORDERS&limit=2&as_of={position}{cursor}"
        page = api.get(target)
        found += [run["run_id"] for run in page["runs"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert found[:7] == runs[::-1]


def test_past_list_filtered_by_status_is_refused_with_a_reason(api, problem):
    answer = api.ask("GET", "/v1/runs?status=failed&as_of=3")
    assert problem(answer, 400) == "bad-request"
    assert answer.json["field"] == "status"
    assert "past" in answer.json["detail"]


def test_read_models_as_of_a_moment_are_refused(api, problem):
    answer = api.ask("GET", "/v1/projections?as_of=3", key="administrator")
    assert problem(answer, 400) == "bad-request"


def test_correction_is_visible_from_its_own_position(api):
    run = api.start()
    body = {"position": run["position"], "reason": "wrong flow"}
    made = api.ask("POST", f"/v1/runs/{run['run_id']}/corrections", body, key="administrator")
    assert made.status == 201
    history = f"/v1/runs/{run['run_id']}/history?as_of="
    before = api.get(f"{history}{run['position']}")["events"]
    after = api.get(f"{history}{made.headers['Flowledger-Position']}")["events"]
    assert [event["corrections"] for event in before] == [[]]
    assert len(after[0]["corrections"]) == 1
    assert len(after) == 2


def test_not_found_as_of_a_position_returns_that_position(api, problem):
    run = api.start()
    answer = api.ask("GET", f"/v1/runs/{run['run_id']}?as_of={run['position'] - 1}")
    assert problem(answer, 404) == "unknown-run"
    assert answer.headers["Flowledger-Position"] == str(run["position"] - 1)
