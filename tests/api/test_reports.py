"""Reports on external runs: taken in order, each answered alone, nothing of a malformed call."""

from uuid import uuid4

import pytest

from tests.dialects.suite import NAMES, vendor

ORDERS, ITEMS = "BOTH/ORDERS", "BOTH/ITEMS"


def event(kind, task=None, data=None, **more):
    members = {"event_id": str(uuid4()), "type": kind, **more}
    return (
        members
        | ({} if task is None else {"task": task})
        | ({} if data is None else {"data": data})
    )


def done(task):
    return event("TaskSucceeded", task, {"result": {"rows": 3}})


def outcomes(results):
    return [result["outcome"] for result in results]


def types(api, run):
    return [each["type"] for each in api.events_of(run)]


def test_each_reported_event_has_its_own_result_in_order(api):
    run = api.start()
    events = [event("TaskStarted", ORDERS), event("TaskStarted", "NOBODY"), done(ORDERS)]
    results = api.results(run, *events)
    assert [result["event_id"] for result in results] == [e["event_id"] for e in events]
    assert all(r.keys() == {"event_id", "outcome", "position", "reason"} for r in results)
    assert outcomes(results) == ["recorded", "refused", "recorded"]
    assert [result["reason"] for result in results] == [None, "the run has no task NOBODY", None]
    positions = [result["position"] for result in results]
    assert positions == sorted(set(positions))


def test_every_type_can_be_reported(api):
    run, external = api.start(), "suite.OTHER"
    reports = [
        event("RunStarted"),
        event("TaskStarted", ORDERS),
        event("TaskOutputRecorded", ORDERS, {"log": "3 rows", "metrics": {"rows": 3}}),
        event("TaskWarned", ORDERS, {"warnings": ["no price"]}),
        event("TaskSkipped", ITEMS),
        event("RunWarned"),
    ]
    assert outcomes(api.results(run, *reports)) == ["recorded"] * 6
    reports = [event("TaskStarted", "ONLY"), event("TaskFailed", "ONLY"), event("RunFailed")]
    assert outcomes(api.results(api.start(external), *reports)) == ["recorded"] * 3
    reports = [event("TaskSucceeded", "ONLY"), event("RunSucceeded")]
    assert outcomes(api.results(api.start(external), *reports)) == ["recorded"] * 2
    assert outcomes(api.results(api.start(external), event("RunCancelled"))) == ["recorded"]


def test_reported_event_is_readable_once_the_report_is_answered(api):
    run = api.start()
    answer = api.report(run, event("TaskStarted", ORDERS))
    shown = api.get(f"/v1/runs/{run['run_id']}")
    assert shown["status"] == "running"
    assert int(answer.headers["Flowledger-Position"]) == shown["position"]


def test_reporters_time_is_stored_beside_the_recorded_time(api):
    run = api.start()
    api.results(run, event("TaskStarted", ORDERS, occurred_at="2026-01-31T09:00:00.5+09:00"))
    shown = api.get(f"/v1/runs/{run['run_id']}")
    assert shown["started_at"] == "2026-01-31T00:00:00.500000Z"
    reported = api.events_of(run)[-1]
    assert reported["occurred_at"] == "2026-01-31T00:00:00.500000Z"
    assert reported["recorded_at"] != reported["occurred_at"]


def test_repeated_event_is_a_duplicate_with_its_first_position(api):
    run, report = api.start(), event("TaskStarted", ORDERS)
    first, again = api.results(run, report, report)
    assert (first["outcome"], again["outcome"]) == ("recorded", "duplicate")
    later = api.results(run, report)[0]
    assert later["outcome"] == "duplicate"
    assert later["position"] == again["position"] == first["position"]
    assert types(api, run).count("TaskStarted") == 1


def test_used_event_id_with_other_contents_is_refused(api):
    run, report = api.start(), event("TaskStarted", ORDERS)
    first, other = api.results(run, report, report | {"task": ITEMS})
    assert (first["outcome"], other["outcome"]) == ("recorded", "refused")
    assert types(api, run)[-1] == "ReportRefused"


def test_event_id_is_scoped_to_its_run(api):
    report = event("TaskStarted", ORDERS)
    for _ in range(2):
        assert outcomes(api.results(api.start(), report)) == ["recorded"]


def test_event_that_the_state_forbids_is_refused_and_recorded(api):
    run = api.start()
    refused = event("TaskSucceeded", "NOBODY", {"rows": 3})
    (result,) = api.results(run, refused)
    refusal = api.events_of(run)[-1]
    assert (result["outcome"], result["position"]) == ("refused", refusal["position"])
    assert refusal["type"] == "ReportRefused"
    assert refusal["data"] == {
        "type": "TaskSucceeded",
        "task": "NOBODY",
        "reason": result["reason"],
        "data": {"rows": 3},
    }
    assert api.get(f"/v1/runs/{run['run_id']}")["status"] == "queued"


def test_run_end_reported_with_its_last_tasks_is_recorded(api):
    run = api.start()
    reports = [done(ORDERS), done(ITEMS), event("RunSucceeded")]
    assert outcomes(api.results(run, *reports)) == ["recorded"] * 3
    assert types(api, run).count("RunSucceeded") == 1
    assert api.get(f"/v1/runs/{run['run_id']}")["status"] == "succeeded"


def test_run_end_reported_after_the_ledger_concluded_it_is_a_duplicate(api):
    run = api.start()
    api.results(run, done(ORDERS), done(ITEMS))
    concluded = api.events_of(run)[-1]
    assert concluded["type"] == "RunSucceeded"
    (result,) = api.results(run, event("RunSucceeded"))
    assert (result["outcome"], result["position"]) == ("duplicate", concluded["position"])
    assert types(api, run).count("RunSucceeded") == 1


def test_ended_run_is_not_changed_by_reports(server, api):
    run = server.brought_to("succeeded")
    (result,) = api.results(run, event("TaskFailed", ORDERS))
    assert result["outcome"] == "refused"
    assert api.get(f"/v1/runs/{run['run_id']}")["status"] == "succeeded"


def test_reported_task_is_identified_by_path_key_or_id(api):
    run = api.start()
    orders = run["tasks"][0]
    reports = [event("TaskStarted", orders["task_id"]), event("TaskStarted", "ITEMS"), done(ORDERS)]
    assert outcomes(api.results(run, *reports)) == ["recorded"] * 3
    assert [task["status"] for task in api.get(f"/v1/runs/{run['run_id']}")["tasks"]] == [
        "succeeded",
        "running",
    ]


def test_report_accepts_at_most_500_events(api, problem):
    run = api.start()
    output = [event("TaskOutputRecorded", ORDERS, {"log": str(n)}) for n in range(501)]
    head = api.server.head()
    assert problem(api.report(run, *output), 400) == "bad-request"
    assert api.server.head() == head
    assert len(api.results(run, event("TaskStarted", ORDERS), *output[:499])) == 500


RIGHT = {"event_id": "1", "type": "TaskStarted", "task": ORDERS}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({}, "events[1].type"),
        ([], None),
        ("TaskStarted", None),
        (None, None),
        (RIGHT | {"event_id": 1}, "events[1].event_id"),
        (RIGHT | {"event_id": ""}, "events[1].event_id"),
        (RIGHT | {"event_id": "x" * 201}, "events[1].event_id"),
        (RIGHT | {"type": "TaskExploded"}, "events[1].type"),
        (RIGHT | {"type": "RunQueued"}, "events[1].type"),
        (RIGHT | {"type": "TaskCancelled"}, "events[1].type"),
        (RIGHT | {"type": None}, "events[1].type"),
        (RIGHT | {"task": None}, "events[1].task"),
        (RIGHT | {"task": ["A"]}, "events[1].task"),
        (RIGHT | {"task": "x" * 1001}, "events[1].task"),
        ({"event_id": "1", "type": "TaskStarted"}, "events[1].task"),
        ({"event_id": "1", "type": "RunStarted", "task": ORDERS}, "events[1].task"),
        (RIGHT | {"data": []}, "events[1].data"),
        (RIGHT | {"data": None}, "events[1].data"),
        (RIGHT | {"occurred_at": 1767225600}, "events[1].occurred_at"),
        (RIGHT | {"occurred_at": "yesterday"}, "events[1].occurred_at"),
        (RIGHT | {"occurred_at": "2026-01-31T09:00:00"}, "events[1].occurred_at"),
        (RIGHT | {"occurred_at": "1969-12-31T23:59:59Z"}, "events[1].occurred_at"),
        (RIGHT | {"occurred_at": "9999-12-31T23:59:59Z"}, "events[1].occurred_at"),
        (RIGHT | {"occured_at": None}, "occured_at"),
    ],
)
def test_report_with_a_malformed_event_is_refused_whole(api, problem, wrong, field):
    run = api.start()
    head = api.server.head()
    answer = api.report(run, event("TaskStarted", ORDERS), wrong)
    assert problem(answer, 400) == "bad-request"
    assert answer.json.get("field") == field
    assert "events[1]" in answer.json["detail"]
    assert api.server.head() == head


@pytest.mark.parametrize("body", [{}, {"events": []}, {"events": {}}, {"events": None}, []])
def test_report_without_events_is_refused(api, problem, body):
    answer = api.ask("POST", f"/v1/runs/{api.start()['run_id']}/events", body)
    assert problem(answer, 400) == "bad-request"


@pytest.mark.parametrize("edge", ["1970-01-01T00:00:00Z", "9998-12-30T23:59:59.999999Z"])
def test_every_vendor_can_write_the_first_and_the_last_time(server, api, edge):
    run = api.start()
    reports = [
        event("TaskStarted", ORDERS, occurred_at=edge),
        event("RunSucceeded", occurred_at=edge),
    ]
    assert outcomes(api.results(run, *reports)) == ["recorded"] * 2
    run = api.get(f"/v1/runs/{run['run_id']}")
    for name in NAMES:
        client = vendor(name)
        answer = server.ask(client.sign(client.status(run), server.keys["operator"]))
        assert answer.status == 200, (name, answer.body)
        assert client.word(answer, run) == client.words["succeeded"]
