"""The log, the flows and the read models as /v1 shows them."""

import json
import re
from pathlib import Path

import pytest
import yaml

EVENT = {
    "position", "stream", "version", "event_id", "type", "schema_version", "tenant", "actor",
    "correlation_id", "causation_id", "occurred_at", "recorded_at", "data", "metadata", "leaf_hash",
}  # fmt: skip
MOST = 2**63 - 1


def walk(api, query="", **more):
    """Every page from the start of the log to its head."""
    after, found = 0, []
    while True:
        page = api.get(f"/v1/events?after={after}{query}", **more)
        if page["next_after"] == after:
            return found
        found.append(page)
        after = page["next_after"]


def events(pages):
    return [event for page in pages for event in page["events"]]


def test_an_event_shows_every_field(api):
    run = api.start(payload={"day": 1})
    event = api.events_of(run)[0]
    assert event.keys() == EVENT
    assert re.fullmatch("[0-9a-f]{64}", event["leaf_hash"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event["recorded_at"])
    assert {name: event[name] for name in ("type", "version", "tenant", "actor", "stream")} == {
        "type": "RunQueued",
        "version": 1,
        "tenant": "default",
        "actor": "operator",
        "stream": f"run:{run['run_id']}",
    }
    assert (event["correlation_id"], event["causation_id"]) == (run["run_id"], None)
    assert event["data"]["payload"] == {"day": 1}
    assert event["metadata"]["source"] == "api"
    assert api.get(f"/v1/events?after={event['position'] - 1}&limit=1")["events"] == [event]


def test_tenant_pages_hold_its_events_in_order_with_gaps_in_positions(api):
    api.start()
    found = events(walk(api, "&limit=7"))
    positions = [event["position"] for event in found]
    assert positions == sorted(set(positions))
    assert {event["tenant"] for event in found} == {"default"}
    assert found[0]["type"] == "FlowRegistered"


def test_a_ledger_wide_key_reads_every_position(server, api):
    api.start()
    found = events(walk(api, "&limit=7", key="auditor of all"))
    assert [event["position"] for event in found] == list(range(1, server.head() + 1))
    assert {"default", "*"} <= {event["tenant"] for event in found}


def test_a_ledger_wide_key_may_name_one_tenant(api):
    theirs = events(walk(api, "&tenant=default", key="auditor of all"))
    assert theirs == events(walk(api))


def test_page_names_where_the_next_page_begins(api):
    first = api.ask("GET", "/v1/events?limit=2", key="auditor of all")
    assert first.json["next_after"] == first.json["events"][-1]["position"] == 2
    assert first.headers["Flowledger-Position"] == "2"


def test_events_of_another_tenant_are_skipped(server, api):
    page = api.get("/v1/events?limit=1", key="stranger")
    assert page == {"events": [], "next_after": server.head()}


@pytest.mark.parametrize("key", ["viewer", "auditor of all"])
def test_page_after_the_head_is_empty(server, api, key):
    head = server.head()
    page = api.get(f"/v1/events?after={head}", key=key)
    assert page == {"events": [], "next_after": head}


POSITIONS = {
    "/v1/events": "after",
    "/v1/runs": "cursor",
    "/v1/audit": "cursor",
}
"""Every query parameter that is a position, by path; `as_of` goes with all reads."""


@pytest.mark.parametrize("path", POSITIONS)
@pytest.mark.parametrize("beyond", [1, 5_000, 2**62])
def test_position_beyond_the_head_is_refused_on_every_route(server, api, problem, path, beyond):
    api.start()
    position = server.head() + beyond
    answer = api.ask("GET", f"{path}?{POSITIONS[path]}={position}", key="administrator")
    assert problem(answer, 400) == "position-ahead"
    assert answer.json["field"] == POSITIONS[path]
    earlier = f"{path}?as_of=2&{POSITIONS[path]}=3"
    assert problem(api.ask("GET", earlier, key="administrator"), 400) == "position-ahead"


def test_all_positions_of_the_api_are_in_the_list_above():
    document = yaml.safe_load((Path(__file__).parents[2] / "openapi.yaml").read_text())
    found = {
        (path, parameter["name"])
        for path, operations in document["paths"].items()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
        if parameter["name"] in {"after", "cursor", "before", "position"}
    }
    by_version = {(path, name) for path, name in found if path.startswith("/v1/runs/{")}
    assert {name for _, name in by_version} == {"after"}  # of a run's own events
    assert found - by_version == set(POSITIONS.items())


def test_body_with_a_position_beyond_the_head_is_refused(server, api, problem):
    run, position = api.start(), server.head() + 1
    correction = {"position": position, "reason": "a slip"}
    for target, key, body in (
        (f"/v1/runs/{run['run_id']}/corrections", "administrator", correction),
        ("/v1/projections/listings/skip", "administrator of all", correction),
    ):
        answer = api.ask("POST", target, key=key, body=body)
        assert problem(answer, 400) == "position-ahead"


def test_log_is_ndjson_on_request(api):
    run = api.start()
    for target in ("/v1/events?after=3&limit=4", f"/v1/runs/{run['run_id']}/events"):
        whole = api.get(target)
        lines = api.ask("GET", target, Accept="application/x-ndjson")
        assert lines.headers["Content-Type"] == "application/x-ndjson"
        assert lines.headers["Flowledger-Next-After"] == str(whole["next_after"])
        assert [json.loads(line) for line in lines.body.splitlines()] == whole["events"]


def test_ndjson_of_no_events_is_an_empty_body(server, api):
    lines = api.ask("GET", f"/v1/events?after={server.head()}", Accept="application/x-ndjson")
    assert (lines.status, lines.body) == (200, b"")


def test_the_events_of_a_run_are_paged_by_version(server, api):
    run = server.brought_to("failed")
    whole = api.events_of(run)
    assert [event["version"] for event in whole] == list(range(1, len(whole) + 1))
    found, after = [], 0
    while page := api.get(f"/v1/runs/{run['run_id']}/events?after={after}&limit=2")["events"]:
        found += page
        after = page[-1]["version"]
    assert found == whole
    beyond = api.get(f"/v1/runs/{run['run_id']}/events?after={MOST}")
    assert beyond == {"events": [], "next_after": MOST}


@pytest.mark.parametrize("after", ["", "?after=3"])
def test_events_of_an_unknown_run_are_not_found_after_any_version(api, problem, after):
    nobody = "01a20673-7961-7cba-aceb-8bc7e25c7dc3"
    answer = api.ask("GET", f"/v1/runs/{nobody}/events{after}")
    assert problem(answer, 404) == "unknown-run"


@pytest.mark.parametrize("path", ["/v1/events", "/v1/runs/{run_id}/events"])
@pytest.mark.parametrize(
    "query",
    ["after=-1", "after=x", "after=9223372036854775808", "limit=0", "limit=1001", "before=3"],
)
def test_malformed_parameter_is_refused_by_name(api, problem, path, query):
    answer = api.ask("GET", path.format(run_id=api.start()["run_id"]) + f"?{query}")
    assert problem(answer, 400) == "bad-request"
    assert answer.json["field"] == query.partition("=")[0]


def test_flows_are_listed_by_name_with_every_vendors_ids(api):
    flows = api.get("/v1/flows")["flows"]
    names = [flow["fullname"] for flow in flows]
    assert names == sorted(names)
    (orders,) = (flow for flow in flows if flow["fullname"] == "suite.ORDERS")
    assert orders.keys() == {
        "fullname", "project", "name", "version", "number", "executor", "exclusive", "timeout_s",
        "retired", "definition", "vendor_ids", "next_due_at",
    }  # fmt: skip
    assert orders["vendor_ids"].keys() >= {"etlworks", "invision", "naver", "incorta"}
    run = api.start("suite.ORDERS")
    for vendor, ids in orders["vendor_ids"].items():
        shared = ids.keys() & run["vendor_ids"][vendor].keys()
        assert shared
        assert all(ids[name] == run["vendor_ids"][vendor][name] for name in shared)


def test_each_tenant_has_its_own_flows(api):
    assert api.get("/v1/flows", key="stranger") == {"flows": []}


def test_read_models_are_listed_with_their_lag(server, api):
    api.start()
    rows = api.get("/v1/projections", key="administrator")["projections"]
    assert {row["name"] for row in rows} >= {"executions", "workflows", "listings", "load_plans"}
    for row in rows:
        assert row.keys() >= {"name", "version", "position", "head", "lag_events", "state", "error"}
        assert (row["state"], row["head"]) == ("running", server.head())
