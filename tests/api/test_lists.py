"""The list of runs: newest first, by filter, page after page."""

from urllib.parse import quote
from uuid import uuid4

import pytest


@pytest.fixture(scope="module")
def runs(server, api):
    """A run of each state, oldest first."""
    states = ("queued", "running", "cancelling", "succeeded", "warned", "failed", "cancelled")
    return {state: server.brought_to(state) for state in states}


def ids(page):
    return [run["run_id"] for run in page["runs"]]


def pages(api, query, between=lambda: None):
    """Every page of a list, something happening between them."""
    found, cursor = [], ""
    while cursor is not None:
        page = api.get(f"/v1/runs?{query}{cursor and '&cursor=' + cursor}")
        found.append(ids(page))
        cursor = page["next_cursor"]
        between()
    return found


def test_runs_are_listed_newest_first_without_their_tasks(api, runs):
    page = api.get(f"/v1/runs?limit={len(runs)}&flow=suite.ORDERS")
    assert page.keys() == {"runs", "next_cursor"}
    assert ids(page) == [run["run_id"] for run in reversed(runs.values())]
    listed = dict(page["runs"][0])
    shown = api.get(f"/v1/runs/{listed['run_id']}")
    assert listed == {name: value for name, value in shown.items() if name != "tasks"}


def test_page_returns_its_position(server, api, runs):
    answer = api.ask("GET", "/v1/runs?limit=1")
    assert int(answer.headers["Flowledger-Position"]) == server.head()


@pytest.mark.parametrize("limit", [1, 3, 7, 8])
def test_a_cursor_leads_through_all_pages(api, runs, limit):
    flow = "suite.NEVER"
    started = [api.start(flow)["run_id"] for _ in range(7)]
    found = pages(api, f"flow={flow}&limit={limit}")
    assert [run for page in found for run in page][:7] == started[::-1]
    assert all(len(page) == limit for page in found[:-1])
    assert 0 < len(found[-1]) <= limit


def test_pages_neither_repeat_nor_skip_runs_while_new_runs_start(api):
    flow = "suite.OTHER"
    started = [api.start(flow)["run_id"] for _ in range(6)]
    turned = pages(api, f"flow={flow}&limit=2", between=lambda: api.start(flow))
    found = [run for page in turned for run in page]
    assert len(found) == len(set(found))
    assert [run for run in found if run in started] == started[::-1]


def test_the_last_page_has_no_cursor_even_when_it_is_full(api):
    api.start()
    total = sum(map(len, pages(api, "flow=suite.ORDERS&limit=1000")))
    assert api.get(f"/v1/runs?flow=suite.ORDERS&limit={total}")["next_cursor"] is None


@pytest.mark.parametrize(
    "state", ["queued", "running", "cancelling", "succeeded", "warned", "failed", "cancelled"]
)
def test_runs_are_filtered_by_status(api, runs, state):
    page = api.get(f"/v1/runs?status={state}&limit=1000")
    assert runs[state]["run_id"] in ids(page)
    assert {run["status"] for run in page["runs"]} == {state}


def test_runs_are_filtered_by_starter(server, api, runs):
    theirs = api.ask("POST", "/v1/runs", {"flow": "suite.ORDERS"}, key="editor").json
    page = api.get("/v1/runs?started_by=editor&limit=1000")
    assert ids(page)[0] == theirs["run_id"]
    assert {run["started_by"] for run in page["runs"]} == {"editor"}


def test_runs_are_filtered_by_a_half_open_creation_time_range(api):
    first, second, third = (api.start() for _ in range(3))
    window = f"created_after={first['created_at']}&created_before={third['created_at']}"
    assert ids(api.get(f"/v1/runs?{window}")) == [second["run_id"], first["run_id"]]


def test_time_filter_accepts_any_offset_escaped_or_not(api):
    run = api.start()
    seconds = run["created_at"].removesuffix("Z")
    for offset in ("+00:00", "%2B00:00", "-00:00"):
        page = api.get(f"/v1/runs?created_after={seconds}{offset}")
        assert ids(page) == [run["run_id"]]


def test_run_filters_combine(server, api, runs):
    run = server.brought_to("failed")
    query = f"flow=suite.ORDERS&status=failed&started_by=operator&created_after={run['created_at']}"
    assert ids(api.get(f"/v1/runs?{query}")) == [run["run_id"]]


@pytest.mark.parametrize(
    "query",
    ["flow=", "flow=no.SUCH", "started_by=nobody", f"flow={quote('ü' * 500)}", "cursor=0"],
)
def test_filter_without_a_match_returns_an_empty_page(api, runs, query):
    assert api.get(f"/v1/runs?{query}") == {"runs": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=-1", "cursor"),
        ("cursor=9223372036854775808", "cursor"),
        ("status=done", "status"),
        ("status=", "status"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2026-01-31", "created_after"),
        ("created_before=2026-01-31T09:00:00", "created_before"),
        ("created_before=2026-02-30T09:00:00Z", "created_before"),
        ("created_before=0001-01-01T00:00:00%2B10:00", "created_before"),
        ("page=2", "page"),
        ("tenant=elsewhere", "tenant"),
    ],
)
def test_malformed_parameter_is_refused_by_name(api, problem, query, field):
    answer = api.ask("GET", f"/v1/runs?{query}")
    assert problem(answer, 400) == "bad-request"
    assert answer.json["field"] == field


def test_runs_of_another_tenant_are_not_listed(api, runs):
    theirs = api.ask("GET", "/v1/runs?flow=suite.ORDERS", key="stranger").json
    assert theirs == {"runs": [], "next_cursor": None}


def test_cursor_works_with_another_key_of_the_tenant(api, runs):
    mine = api.get("/v1/runs?limit=5")
    assert api.get("/v1/runs?limit=5", key="viewer") == mine
    assert api.get("/v1/runs?limit=5&tenant=default", key="auditor of all") == mine


def test_started_run_is_on_the_first_page_at_once(api):
    for _ in range(5):
        run = api.start(comment=str(uuid4()))
        assert ids(api.get("/v1/runs?limit=1")) == [run["run_id"]]
