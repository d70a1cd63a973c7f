"""What an auditor reads of /v1: a run's history, the trail of all that was done, corrections."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from events.codec import encode
from events.envelope import AppendRequest, ExpectedVersion, NewEvent, StreamAppend
from tests.dialects.suite import NAMES, STARTING, vendor

LINES = "application/x-ndjson"
TASK = "BOTH/ORDERS"


def history(api, run, query="", **more):
    return api.get(f"/v1/runs/{run['run_id']}/history{query}", **more)["events"]


def changes(event):
    return {each["field"]: (each["before"], each["after"]) for each in event["changes"]}


def flat(run):
    """A run as it is shown, as fields with values."""
    fields = {name: run[name] for name in run.keys() - {"tasks", "position"}}
    for task in run["tasks"]:
        fields |= {f"tasks[{task['path']}].{name}": value for name, value in task.items()}
    return {name: value for name, value in fields.items() if value is not None}


def correct(api, run, position, *, key="administrator", **more):
    headers = {"Idempotency_Key": more.pop("once")} if "once" in more else {}
    body = {"position": position, "reason": "a typing error", **more}
    return api.ask("POST", f"/v1/runs/{run['run_id']}/corrections", body, key=key, **headers)


def trail(api, query="", *, key="auditor", **more):
    """Every entry of the audit trail, page by page."""
    found, cursor = [], ""
    while cursor is not None:
        page = api.get(f"/v1/audit?limit=1000{query}{cursor}", key=key, **more)
        found += page["events"]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    return found


# History


@pytest.mark.parametrize("state", ["queued", "failing", "cancelling", "failed", "cancelled"])
def test_changes_of_a_history_add_up_to_the_current_run(server, api, state):
    run = server.brought_to(state)
    entries = history(api, run)
    assert [event["version"] for event in entries] == list(range(1, len(entries) + 1))
    fields = {}
    for event in entries:
        for each in event["changes"]:
            assert fields.get(each["field"]) == each["before"]
            fields[each["field"]] = each["after"]
    assert {name: value for name, value in fields.items() if value is not None} == flat(run)
    assert entries[-1]["position"] == run["position"]


def test_history_shows_each_logged_event_with_its_changes(server, api):
    run = server.brought_to("failed")
    entries = history(api, run)
    more = {"source", "delay_s", "after_end", "changes", "corrects", "corrections"}
    for event, plain in zip(entries, api.events_of(run), strict=True):
        assert {name: event[name] for name in plain} == plain
        assert event.keys() - plain.keys() == more
    (failed,) = (event for event in entries if event["type"] == "TaskFailed")
    assert (failed["actor"], failed["source"]) == ("operator", "api")
    assert changes(failed)["failing"] == (False, True)
    assert changes(failed)[f"tasks[{TASK}].status"] == ("running", "failed")
    assert changes(entries[-1])["status"] == ("running", "failed")


@pytest.mark.parametrize("name", STARTING)
def test_history_names_the_dialect_that_started_the_run(server, api, idle, name):
    client = vendor(name)
    answer = server.ask(client.sign(client.start(idle), server.keys["operator"]))
    assert answer.status < 300, answer.body
    (first,) = history(api, server.newest("suite.IDLE"))
    assert (first["type"], first["source"]) == ("RunQueued", name)


def test_history_shows_how_late_a_report_arrived(api):
    run = api.start()
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    api.results(run, {"event_id": "1", "type": "RunStarted", "occurred_at": hour_ago})
    first, late = history(api, run)
    assert first["delay_s"] is None
    assert 3600 <= late["delay_s"] < 3700
    assert changes(late)["started_at"][1] == late["occurred_at"]


def test_history_shows_a_report_after_the_end_as_refused(server, api):
    run = server.brought_to("succeeded")
    fact = {"event_id": "late", "type": "TaskFailed", "task": TASK, "data": {"line": 3}}
    (result,) = api.results(run, fact)
    refused = history(api, run)[-1]
    assert refused["position"] == result["position"]
    assert (refused["type"], refused["after_end"]) == ("ReportRefused", True)
    assert refused["data"] == {
        "type": "TaskFailed",
        "task": TASK,
        "reason": "the run has ended: it is succeeded",
        "data": {"line": 3},
    }
    assert refused["changes"] == []


def test_a_history_is_paged_by_version(server, api):
    run = server.brought_to("failed")
    whole, found, after = history(api, run), [], 0
    while page := history(api, run, f"?after={after}&limit=2"):
        found += page
        after = page[-1]["version"]
    assert found == whole
    beyond = api.get(f"/v1/runs/{run['run_id']}/history?after={2**63 - 1}")
    assert beyond == {"events": [], "next_after": 2**63 - 1}


def test_history_is_ndjson_on_request(server, api):
    target = f"/v1/runs/{server.brought_to('failed')['run_id']}/history?limit=3"
    whole, lines = api.get(target), api.ask("GET", target, Accept=LINES)
    assert lines.headers["Content-Type"] == LINES
    assert lines.headers["Flowledger-Next-After"] == "3"
    assert [json.loads(line) for line in lines.body.splitlines()] == whole["events"]


def test_history_truncates_large_values(server, api):
    run = api.start(payload={"text": "x" * 5000})
    (first,) = history(api, run)
    (payload,) = (each for each in first["changes"] if each["field"] == "payload")
    assert payload["after"] == '{"text":"' + "x" * 991
    assert payload["cut"]["after"]["size_bytes"] == 5011
    assert payload["cut"]["before"] is None
    assert first["data"]["payload"] == run["payload"]


def test_long_history_can_be_read_from_any_version(server, api):
    run = api.start()
    facts = [{"event_id": "0", "type": "TaskStarted", "task": TASK}]
    facts += [
        {"event_id": str(n), "type": "TaskOutputRecorded", "task": TASK, "data": {"log": str(n)}}
        for n in range(1, 450)
    ]
    for _ in range(2):
        api.results(run, *({**fact, "event_id": str(uuid4())} for fact in facts))
    (event,) = history(api, run, "?after=700&limit=1")
    log = changes(event)[f"tasks[{TASK}].log"]
    assert int(log[1]) == int(log[0]) + 1


@pytest.mark.parametrize("query", ["after=-1", "limit=0", "limit=1001", "before=3"])
def test_a_malformed_parameter_of_a_history_is_refused(api, problem, query):
    answer = api.ask("GET", f"/v1/runs/{api.start()['run_id']}/history?{query}")
    assert problem(answer, 400) == "bad-request"
    assert answer.json["field"] == query.partition("=")[0]


# Corrections


def test_correction_returns_itself_and_the_event_it_corrects(server, api):
    run = server.brought_to("failed")
    wrong = api.events_of(run)[-1]
    answer = correct(api, run, wrong["position"], data={"exception": "none"})
    assert answer.status == 201, answer.body
    assert answer.json["corrects"] == wrong
    correction = answer.json["correction"]
    assert (correction["type"], correction["actor"]) == ("CorrectionRecorded", "administrator")
    assert correction["data"] == {
        "position": wrong["position"],
        "version": wrong["version"],
        "reason": "a typing error",
        "data": {"exception": "none"},
    }
    assert int(answer.headers["Flowledger-Position"]) == correction["position"]
    (entry,) = api.get(answer.headers["Location"])["events"]
    assert {name: entry[name] for name in correction} == correction
    assert entry["corrects"] == wrong


def test_a_history_shows_a_correction_at_both_events(server, api):
    run = server.brought_to("succeeded")
    first = api.events_of(run)[0]
    one, two = (correct(api, run, first["position"]).json["correction"] for _ in range(2))
    again = correct(api, run, two["position"]).json["correction"]
    entries = history(api, run)
    assert entries[0]["corrections"] == [one, two]
    assert [event["corrects"] for event in entries[-3:]] == [first, first, two]
    assert entries[-2]["corrections"] == [again]
    assert [event["changes"] for event in entries[-3:]] == [[], [], []]
    assert {event["position"] for event in entries if event["corrections"]} == {
        first["position"],
        two["position"],
    }
    (page,) = history(api, run, "?limit=1")
    assert page["corrections"] == [one, two], "also where they stand on later pages"


@pytest.mark.parametrize(
    "state", ["queued", "running", "failing", "cancelling", "succeeded", "warned", "failed"]
)
def test_a_correction_changes_no_answer_of_any_dialect(server, api, state):
    run = server.brought_to(state)
    before = {name: seen(server, name, run) for name in NAMES}
    position = correct(api, run, run["position"], data={"status": "failed"})
    assert position.status == 201
    at = position.headers["Flowledger-Position"]
    assert {name: seen(server, name, run, at) for name in NAMES} == before
    read = api.get(f"/v1/runs/{run['run_id']}")
    assert read == run | {"position": int(at)}


def seen(server, name, run, position="0"):
    client = vendor(name)
    call = client.status(run).having(Flowledger_Min_Position=position)
    answer = server.ask(client.sign(call, server.keys["operator"]))
    assert answer.status == 200, answer.body
    return without_clock(answer.json)


GROWING = {"duration", "runningTime", "waitingTime", "now", "elapsed"}


def without_clock(value):
    if isinstance(value, dict):
        return {k: without_clock(v) for k, v in value.items() if k not in GROWING}
    return [without_clock(each) for each in value] if isinstance(value, list) else value


def test_a_corrected_run_goes_on(api):
    run = api.start()
    correct(api, run, run["position"])
    (result,) = api.results(run, {"event_id": "1", "type": "RunFailed"})
    assert result["outcome"] == "recorded"


def test_one_key_makes_one_correction(server, api, problem):
    run = server.brought_to("failed")
    key = str(uuid4())
    first = correct(api, run, run["position"], once=key)
    head = server.head()
    again = correct(api, run, run["position"], once=key)
    assert (again.status, again.json) == (201, first.json)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    other = correct(api, run, run["position"], once=key, data={"day": 2})
    assert problem(other, 422) == "key-reused"
    assert server.head() == head


def test_a_correction_names_an_event_of_its_run(server, api, problem):
    run, other = api.start(), api.start()
    head = server.head()
    for position in (1, other["position"]):
        answer = correct(api, run, position)
        assert problem(answer, 400) == "bad-request"
        assert answer.json["field"] == "position"
        assert f"/v1/runs/{run['run_id']}/history" in answer.json["detail"]
    assert server.head() == head


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": "x"}, "position"),
        ({"position": 0, "reason": "x"}, "position"),
        ({"position": "1", "reason": "x"}, "position"),
        ({"position": True, "reason": "x"}, "position"),
        ({"position": 2**63, "reason": "x"}, "position"),
        ({"position": 1}, "reason"),
        ({"position": 1, "reason": ""}, "reason"),
        ({"position": 1, "reason": "x" * 1001}, "reason"),
        ({"position": 1, "reason": "x", "data": []}, "data"),
        ({"position": 1, "reason": "x", "status": "failed"}, "status"),
    ],
)
def test_a_malformed_correction_is_refused(api, problem, untouched, body, field):
    path = f"/v1/runs/{uuid4()}/corrections"
    answer = api.ask("POST", path, body, key="administrator")
    assert problem(answer, 400) == "bad-request"
    assert answer.json["field"] == field


def test_a_long_correction_is_refused(server, api, problem):
    run = api.start()
    head = server.head()
    answer = correct(api, run, run["position"], data={"x": "x" * 70_000})
    assert problem(answer, 413) == "too-large"
    assert server.head() == head


def test_only_administrators_can_correct(server, api, problem):
    run = api.start()
    head = server.head()
    for key in ("viewer", "operator", "editor", "auditor"):
        assert problem(correct(api, run, run["position"], key=key), 403) == "forbidden"
    assert problem(correct(api, run, run["position"], key="stranger"), 404) == "unknown-run"
    assert server.head() == head


def test_a_ledger_wide_administrator_corrects_in_the_tenant_it_names(api):
    run = api.start()
    path = f"/v1/runs/{run['run_id']}/corrections?tenant=default"
    body = {"position": run["position"], "reason": "x"}
    answer = api.ask("POST", path, body, key="administrator of all")
    assert answer.status == 201
    (entry,) = api.get(answer.headers["Location"], key="administrator of all")["events"]
    assert entry["actor"] == "administrator of all"


# The trail


def test_tenant_trail_lists_its_events_newest_first_and_acts_on_its_keys(server, api):
    api.start()
    found = trail(api)
    positions = [event["position"] for event in found]
    assert positions == sorted(set(positions), reverse=True)
    whole = trail(api, key="auditor of all")
    assert [event["position"] for event in whole] == list(range(whole[0]["position"], 0, -1))
    own = {
        event["position"]
        for event in whole
        if event["tenant"] == "default"
        or (event["stream"] == "administration" and event["data"].get("tenant") == "default")
    }
    assert set(positions) == own


@pytest.mark.parametrize("key", ["viewer", "operator", "editor"])
def test_trail_is_refused_to_any_role_but_auditor(api, problem, key):
    assert problem(api.ask("GET", "/v1/audit", key=key), 403) == "forbidden"


def test_a_ledger_wide_auditor_may_narrow_the_trail_to_a_tenant(api):
    api.start()
    assert trail(api, "&tenant=default", key="auditor of all") == trail(api)
    assert trail(api, "&tenant=nobody", key="auditor of all") == []


def test_tenant_auditor_sees_no_act_on_another_tenant(server, api):
    acts = [event for event in trail(api) if event["stream"] == "administration"]
    assert {event["data"]["tenant"] for event in acts} == {"default"}
    assert {event["type"] for event in acts} == {"KeyCreated"}
    strangers = trail(api, key="stranger")
    assert {event["data"]["tenant"] for event in strangers} == {"elsewhere"}


def test_administrative_act_shows_its_action_and_target_but_no_secret(server, api):
    made = server.run(
        server.service.credentials.create(tenant="default", role="viewer", name="passing")
    )
    server.run(server.service.credentials.revoke(made.key_id))
    revoked, created = trail(api, "&type=KeyCreated,KeyRevoked")[:2]
    for event, type_ in ((created, "KeyCreated"), (revoked, "KeyRevoked")):
        assert event["type"] == type_
        assert (event["actor"], event["source"]) == ("cli", "cli")
        assert (event["run_id"], event["flow"]) == (None, None)
        assert event["data"] == {
            "key_id": made.key_id,
            "tenant": "default",
            "name": "passing",
            "role": "viewer",
        }
    text = json.dumps(trail(api, key="auditor of all"))
    for secret in (made.token, made.username, made.password, made.access_key, made.secret_key):
        assert secret not in text


def test_only_ledger_wide_auditors_see_acts_on_the_whole_ledger(server, api):
    event = NewEvent(str(uuid4()), "RebuildStarted", encode({"projection": "x"}), "ops")
    part = StreamAppend("administration", ExpectedVersion.ANY, (event,))
    (appended,) = server.run(server.service.log.append([AppendRequest("*", (part,))]))
    newest = trail(api, "&type=RebuildStarted", key="auditor of all")[0]
    assert newest["position"] == appended.first_position
    assert trail(api, "&type=RebuildStarted") == []
    assert trail(api, "&type=RebuildStarted&tenant=default", key="auditor of all") == []


def test_each_entry_names_its_run_its_flow_and_its_source(server, api):
    run = server.brought_to("running")
    entries = {event["position"]: event for event in trail(api)}
    for event in api.events_of(run):
        entry = entries[event["position"]]
        more = {"source": "api", "run_id": run["run_id"], "flow": "suite.ORDERS"}
        assert entry == event | more
    registered = next(e for e in entries.values() if e["type"] == "FlowRegistered")
    assert registered["flow"] == registered["data"]["fullname"]


def test_the_trail_is_filtered_by_actor(server, api):
    run = api.start()
    correct(api, run, run["position"])
    found = trail(api, "&actor=administrator")
    assert {event["actor"] for event in found} == {"administrator"}
    assert found[0]["data"]["position"] == run["position"]
    assert trail(api, "&actor=nobody") == []


def test_the_trail_is_filtered_by_flow(server, api):
    run = api.start("suite.OTHER")
    server.cancel(run, force=True)
    exclusive = api.start("suite.EXCLUSIVE")
    server.cancel(exclusive, force=True)
    found = trail(api, "&flow=suite.OTHER")
    assert {event["flow"] for event in found} == {"suite.OTHER"}
    assert {"FlowRegistered", "RunQueued", "RunCancelled"} <= {event["type"] for event in found}
    assert {event["position"] for event in api.events_of(run)} <= {e["position"] for e in found}
    slot = [event for event in trail(api, "&flow=suite.EXCLUSIVE") if event["run_id"] is None]
    assert {"SlotTaken", "SlotFreed"} <= {event["type"] for event in slot}


def test_the_trail_is_filtered_by_types(server, api):
    server.brought_to("failed")
    found = trail(api, "&type=RunFailed,TaskFailed")
    assert {event["type"] for event in found} == {"RunFailed", "TaskFailed"}
    assert {event["type"] for event in trail(api, "&type=RunFailed")} == {"RunFailed"}


def test_trail_is_filtered_by_a_half_open_time_range(server, api):
    run = server.brought_to("failed")
    server.brought_to("failed")
    times = {event["recorded_at"] for event in api.events_of(run)}
    since, until = min(times), max(times)
    found = trail(api, f"&from={since}&to={until}")
    expected = [event for event in trail(api) if since <= event["recorded_at"] < until]
    assert found == expected
    assert since in {event["recorded_at"] for event in found}
    assert until not in {event["recorded_at"] for event in found}
    assert trail(api, f"&from={until}&to={since}") == []
    assert trail(api, "&to=1970-01-01T00:00:00Z") == []
    assert trail(api, "&from=9998-01-01T00:00:00Z") == []
    assert trail(api, "&from=1970-01-01T00:00:00Z&to=9998-01-01T00:00:00%2B01:00") == trail(api)


def test_trail_filters_combine(server, api):
    run = api.start("suite.OTHER")
    server.cancel(run, force=True)
    found = trail(api, "&flow=suite.OTHER&type=RunCancelled&actor=operator")
    assert found[0]["run_id"] == run["run_id"]
    assert trail(api, "&flow=suite.OTHER&type=RunCancelled&actor=viewer") == []


def test_trail_page_names_where_the_next_page_begins(server, api):
    whole = trail(api)
    found, cursor = [], ""
    while cursor is not None:
        page = api.get(f"/v1/audit?limit=7{cursor}", key="auditor")
        assert len(page["events"]) <= 7
        found += page["events"]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert found == whole
    assert api.get("/v1/audit?cursor=1", key="auditor") == {"events": [], "next_cursor": None}
    assert api.get("/v1/audit?cursor=0", key="auditor") == {"events": [], "next_cursor": None}


def test_trail_page_scans_a_bounded_part_of_the_log(server, api, monkeypatch):
    api.start()
    whole = trail(api, "&type=FlowRegistered")
    monkeypatch.setattr("service.runs.read.audit_query.MAX_SCAN", 5)
    page = api.get("/v1/audit?type=FlowRegistered", key="auditor")
    assert page["events"] == []
    assert int(page["next_cursor"]) == server.head() + 1 - 5
    assert trail(api, "&type=FlowRegistered") == whole


def test_trail_is_ndjson_on_request(server, api):
    target = "/v1/audit?limit=3"
    whole = api.get(target, key="auditor")
    lines = api.ask("GET", target, key="auditor", Accept=LINES)
    assert lines.headers["Content-Type"] == LINES
    assert lines.headers["Flowledger-Next-Cursor"] == whole["next_cursor"]
    assert [json.loads(line) for line in lines.body.splitlines()] == whole["events"]
    last = api.ask("GET", "/v1/audit?cursor=1", key="auditor", Accept=LINES)
    assert "Flowledger-Next-Cursor" not in last.headers


@pytest.mark.parametrize(
    "query",
    [
        "type=RunExploded",
        "type=",
        "type=RunFailed,",
        "type=RunFailed&type=RunQueued",
        "from=yesterday",
        "from=2026-01-01",
        "to=0001-01-01T00:00:00Z",
        "to=9999-12-31T23:59:59Z",
        "cursor=-1",
        "cursor=x",
        "limit=0",
        "limit=1001",
        "actr=x",
    ],
)
def test_a_malformed_parameter_of_the_trail_is_refused(api, problem, query):
    answer = api.ask("GET", f"/v1/audit?{query}", key="auditor")
    assert problem(answer, 400) == "bad-request"
    assert answer.json["field"] == query.partition("=")[0]
