"""Director's operations against a real server, as its users and its interface call them."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from service.access import Origin
from service.flows.definitions import load_definitions
from service.flows.registration import register
from tests.dialects.suite import Call, vendor

FLOWS = Path(__file__).parent / "flows.yaml"
TENANT = "director"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00")
NOT_FOUND = (
    "The requested URL was not found on the server."
    " If you entered the URL manually please check your spelling and try again."
)


class Desk:
    """A user of Director: asks with a key, and reports what happens to runs."""

    def __init__(self, server, key):
        self.server = server
        self.key = key

    def ask(self, method, target, body=None):
        call = Call(method, target)
        call = call if body is None else call.sending(body)
        return self.server.ask(vendor("director").sign(call, self.key))

    def start(self, name="ETL", **more):
        body = {"project": "director", "name": name, "payload": {}, **more}
        answer = self.ask("POST", "/api/workflows", body)
        assert answer.status == 201, answer.body
        return answer.json

    def show(self, workflow):
        return self.ask("GET", f"/api/workflows/{workflow['id']}").json

    def report(self, workflow, *facts):
        events = [
            {"event_id": f"{kind} {task}", "type": kind, "task": task, "data": data}
            if task
            else {"event_id": kind, "type": kind, "data": data}
            for kind, task, data in facts
        ]
        call = Call("POST", f"/v1/runs/{workflow['id']}/events").sending({"events": events})
        answer = self.server.ask(call.having(Authorization=f"Bearer {self.key.token}"))
        assert {result["outcome"] for result in answer.json["results"]} == {"recorded"}

    def tasks(self, workflow):
        return {task["key"]: task for task in self.show(workflow)["tasks"]}


async def _register(service):
    await register(
        service.log,
        service.catalogue,
        tenant=TENANT,
        definitions=load_definitions(FLOWS),
        dialects=service.dialects,
        origin=Origin(actor="suite", source="cli"),
    )


@pytest.fixture(scope="module")
def desk(server):
    server.run(_register(server.service))
    create = server.service.credentials.create
    return Desk(server, server.run(create(tenant=TENANT, role="operator", name="director")))


def test_answer_is_sorted_compact_ascii_with_a_newline(desk):
    answer = desk.ask(
        "POST",
        "/api/workflows",
        {"project": "director", "name": "ETL", "payload": {"z": 1, "a": "é"}, "comment": "ü"},
    )
    expected = json.dumps(answer.json, sort_keys=True, separators=(",", ":")) + "\n"
    assert answer.body == expected.encode()
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert "Location" not in answer.headers


def test_new_workflow_shows_its_creation_time(desk):
    workflow = desk.start(payload={"foo": "bar"})
    assert TIME.fullmatch(workflow["created"])
    assert workflow["created"] == workflow["updated"]
    assert workflow == {
        "created": workflow["created"],
        "fullname": "director.ETL",
        "id": workflow["id"],
        "name": "ETL",
        "payload": {"foo": "bar"},
        "periodic": False,
        "project": "director",
        "status": "pending",
        "updated": workflow["updated"],
    }


def test_new_workflow_has_its_tasks_at_once(desk):
    workflow = desk.start("RANDOMS")
    first, second, last = desk.show(workflow)["tasks"]
    assert [task["key"] for task in (first, second, last)] == ["RANDOM", "RANDOM", "ADD"]
    assert (first["previous"], second["previous"]) == ([], [])
    assert last["previous"] == [first["id"], second["id"]]


def test_results_and_failures_are_shown_once_tasks_end(desk):
    workflow = desk.start()
    desk.report(
        workflow,
        ("TaskStarted", "EXTRACT", {}),
        ("TaskSucceeded", "EXTRACT", {"result": {"rows": 3}}),
        ("TaskStarted", "TRANSFORM", {}),
        ("TaskFailed", "TRANSFORM", {"exception": "boom", "traceback": "Traceback ..."}),
    )
    shown = {key: (task["status"], task["result"]) for key, task in desk.tasks(workflow).items()}
    assert shown == {
        "EXTRACT": ("success", {"rows": 3}),
        "TRANSFORM": ("error", {"exception": "boom", "traceback": "Traceback ..."}),
        "LOAD": ("canceled", None),
    }
    assert desk.show(workflow)["status"] == "error"


def test_success_hook_waits_from_the_start_and_failure_hook_appears_on_failure(desk):
    workflow = desk.start("HOOKS")
    assert list(desk.tasks(workflow)) == ["EXTRACT", "LOAD", "HOOK_OK"]
    desk.report(workflow, ("TaskStarted", "EXTRACT", {}), ("TaskFailed", "EXTRACT", {}))
    tasks = desk.tasks(workflow)
    assert {key: task["status"] for key, task in tasks.items()} == {
        "EXTRACT": "error",
        "LOAD": "canceled",
        "HOOK_OK": "canceled",
        "HOOK_KO": "pending",
    }
    assert tasks["HOOK_KO"]["is_hook"]
    assert tasks["HOOK_KO"]["previous"] == []


def test_list_is_newest_first_and_pages_end_in_a_404(desk):
    newest = [desk.start(comment=str(number))["id"] for number in range(3)][::-1]
    first = desk.ask("GET", "/api/workflows?per_page=2").json
    second = desk.ask("GET", "/api/workflows?per_page=2&page=2").json
    assert [workflow["id"] for workflow in (*first, *second)][:3] == newest
    beyond = desk.ask("GET", "/api/workflows?per_page=2&page=9999")
    assert (beyond.status, beyond.json) == (404, {"error": NOT_FOUND})


@pytest.mark.parametrize("page", [3_000_000, 2**62, 2**63 - 1])
def test_page_far_beyond_the_last_run_is_not_found(desk, page):
    answer = desk.ask("GET", f"/api/workflows?page={page}&per_page=1000")
    assert (answer.status, answer.json) == (404, {"error": NOT_FOUND})


def test_first_page_of_an_empty_list_is_empty(server):
    stranger = Desk(server, server.keys["stranger"])
    assert stranger.ask("GET", "/api/workflows").body == b"[]\n"
    assert stranger.ask("GET", "/api/definitions").body == b"[]\n"
    assert stranger.ask("GET", "/api/workflows?page=2").status == 404


@pytest.mark.parametrize(
    "query", ["per_page=%201", "per_page=%2B1", "per_page=0_1", "per_page=1&per_page=2"]
)
def test_numbers_are_read_as_python_reads_them(desk, query):
    desk.start()
    assert len(desk.ask("GET", f"/api/workflows?{query}").json) == 1


@pytest.mark.parametrize("per_page", ["", "abc", "99999999999999", str(2**63 - 1)])
def test_any_page_size_is_accepted(desk, per_page):
    workflow = desk.start()
    listed = desk.ask("GET", f"/api/workflows?per_page={per_page}").json
    assert listed[0]["id"] == workflow["id"]


def test_payload_can_be_left_out_of_the_list(desk):
    workflow = desk.start(payload={"heavy": 1}, comment="kept")
    (bare,) = desk.ask("GET", "/api/workflows?per_page=1&with_payload=OFF").json
    assert bare == {key: value for key, value in workflow.items() if key != "payload"}
    (full,) = desk.ask("GET", "/api/workflows?per_page=1&with_payload=junk").json
    assert full == workflow


def test_id_is_read_in_any_form_of_a_uuid(desk):
    workflow = desk.start()
    canonical = workflow["id"]
    for typed in (
        canonical.upper(),
        canonical.replace("-", ""),
        f"%7B{canonical}%7D",
        f"{{{canonical}}}",
        f"urn:uuid:{canonical}",
    ):
        answer = desk.ask("GET", f"/api/workflows/{typed}")
        assert (typed, answer.status) == (typed, 200)
        assert answer.json["id"] == canonical


def test_unknown_id_is_echoed_as_sent(desk):
    for typed in ("E0EE42D8E00F45578F75781106DBBEA4", "abc", "x%20y"):
        for method, path in (("GET", ""), ("POST", "/relaunch"), ("POST", "/cancel")):
            answer = desk.ask(method, f"/api/workflows/{typed}{path}")
            message = f"Workflow {typed.replace('%20', ' ')} not found"
            assert (answer.status, answer.json) == (404, {"error": message})


def test_relaunch_is_a_new_workflow_with_the_same_payload_and_comment(desk):
    first = desk.start(payload={"day": 1}, comment="again")
    for body in (None, {}, b"{bad json", {"payload": {"ignored": True}}):
        answer = desk.ask("POST", f"/api/workflows/{first['id']}/relaunch", body)
        assert answer.status == 201
        assert answer.json["id"] != first["id"]
        assert answer.json["payload"] == {"day": 1}
        assert answer.json["comment"] == "again"
    assert desk.show(first)["status"] == "pending"


def test_cancel_stops_open_tasks_and_leaves_ended_ones(desk):
    workflow = desk.start()
    desk.report(
        workflow,
        ("TaskStarted", "EXTRACT", {}),
        ("TaskSucceeded", "EXTRACT", {}),
        ("TaskStarted", "TRANSFORM", {}),
    )
    answer = desk.ask("POST", f"/api/workflows/{workflow['id']}/cancel")
    assert (answer.status, answer.json["status"]) == (201, "canceled")
    statuses = {key: task["status"] for key, task in desk.tasks(workflow).items()}
    assert statuses == {"EXTRACT": "success", "TRANSFORM": "canceled", "LOAD": "canceled"}
    again = desk.ask("POST", f"/api/workflows/{workflow['id']}/cancel", b"any body")
    assert (again.status, again.json["status"]) == (201, "canceled")


def test_cancel_of_an_ended_workflow_changes_nothing_but_is_recorded(desk):
    workflow = desk.start()
    desk.report(workflow, ("RunStarted", None, {}), ("RunSucceeded", None, {}))
    before, head = desk.show(workflow), desk.server.head()
    answer = desk.ask("POST", f"/api/workflows/{workflow['id']}/cancel")
    assert (answer.status, answer.json["status"]) == (201, "success")
    assert desk.show(workflow) == before
    assert desk.server.head() == head + 1


def test_updated_moves_with_the_status_and_not_with_the_tasks(desk):
    workflow = desk.start()
    desk.report(workflow, ("TaskStarted", "EXTRACT", {}))
    running = desk.show(workflow)
    assert running["updated"] > workflow["updated"]
    desk.report(workflow, ("TaskSucceeded", "EXTRACT", {}))
    assert desk.show(workflow)["updated"] == running["updated"]


def test_invalid_payload_is_refused_with_every_error(desk):
    body = {"project": "director", "name": "ORDER", "payload": {"user": "john", "product": "x"}}
    answer = desk.ask("POST", "/api/workflows", body)
    assert answer.status == 400
    assert answer.json == {
        "error": "Payload is not valid",
        "errors": ["'john' is not of type 'integer'", "'x' is not of type 'integer'"],
    }


def test_name_may_have_dots_and_be_cut_anywhere(desk):
    for project, name in (("director", "with.dots"), ("director.with", "dots")):
        body = {"project": project, "name": name, "payload": {}}
        first = desk.ask("POST", "/api/workflows", body)
        assert (first.status, first.json["fullname"]) == (201, "director.with.dots")
        again = desk.ask("POST", f"/api/workflows/{first.json['id']}/relaunch").json
        (newest,) = desk.ask("GET", "/api/workflows?per_page=1").json
        for workflow in (first.json, desk.show(first.json), again, newest):
            assert (workflow["project"], workflow["name"]) == (project, name)


def test_body_errors_come_before_storage_errors(desk):
    def refusal(**changes):
        body = {"project": "director", "name": "ETL", "payload": {}, **changes}
        answer = desk.ask("POST", "/api/workflows", body)
        return answer.status, answer.json["error"]

    lossy = {"user": 1, "product": 2, "more": float("nan")}
    assert refusal(payload=lossy)[0] == 400
    assert refusal(name="NOPE", payload=lossy) == (404, "Workflow director.NOPE not found")
    assert refusal(name="ORDER", payload={"a": "\0"}) == (400, "Payload is not valid")
    assert refusal(name="ORDER", payload={**lossy, "more": "\0"}) == (400, "NUL in a text")
    assert refusal(name="NOPE", comment="x" * 256)[0] == 404
    message = "the comment has more than 255 characters"
    assert refusal(comment="x" * 256) == (400, message)


@pytest.mark.parametrize("query", ["page=%FF", "page=%00", "page=%zz", "%", "foo=%FF", "%FF=%00"])
def test_unreadable_query_parameter_counts_as_absent(desk, query):
    assert desk.ask("GET", f"/api/workflows?{query}").status == 200


def test_base_address_may_end_in_a_slash(desk):
    workflow = desk.start()
    assert desk.ask("GET", f"//api/workflows/{workflow['id']}").json == desk.show(workflow)
    assert desk.ask("POST", f"//api/workflows/{workflow['id']}/cancel").status == 201
    assert desk.server.ask(Call("GET", "//api/workflows")).status == 401


def test_doubled_slash_within_a_path_is_redirected(desk):
    answer = desk.ask("GET", "/api//workflows?page=1&per_page=2")
    assert answer.status == 308
    assert answer.headers["Location"].endswith("/api/workflows?page=1&per_page=2")
    assert answer.headers["Location"].startswith("http://127.0.0.1:")
    assert desk.ask("PUT", "/api//workflows").status == 405
    assert desk.ask("GET", "/api//nothing").json == {"error": NOT_FOUND}


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.api+json"])
def test_any_json_content_type_is_accepted(desk, kind):
    call = Call("POST", "/api/workflows").sending(
        {"project": "director", "name": "ETL", "payload": {}}
    )
    signed = vendor("director").sign(call.having(Content_Type=kind), desk.key)
    assert desk.server.ask(signed).status == 201


def test_bad_json_gets_directors_message_and_lossy_json_a_reason(desk):
    bad = desk.ask("POST", "/api/workflows", b"{bad json")
    assert bad.json == {
        "error": "The browser (or proxy) sent a request that this server could not understand."
    }
    body = b'{"project": "director", "name": "ETL", "payload": {"x": ' + b"9" * 30 + b"}}"
    lossy = desk.ask("POST", "/api/workflows", body)
    assert lossy.status == 400
    assert "64 bits" in lossy.json["error"]


def test_definitions_are_the_files_mappings_by_name(desk):
    definitions = desk.ask("GET", "/api/definitions").json
    names = [definition["fullname"] for definition in definitions]
    assert names == sorted(names)
    by_name = dict(zip(names, definitions, strict=True))
    assert by_name["director.RANDOMS"] == {
        "executor": "external",
        "fullname": "director.RANDOMS",
        "name": "RANDOMS",
        "project": "director",
        "tasks": [{"GROUP_RANDOMS": {"type": "group", "tasks": ["RANDOM", "RANDOM"]}}, "ADD"],
    }
    assert by_name["director.PERIODIC"] == {
        "executor": "external",
        "fullname": "director.PERIODIC",
        "name": "PERIODIC",
        "owner": {"team": "ledger"},
        "periodic": {"interval": 3600, "payload": {"dry_run": False}},
        "project": "director",
        "queue": {"default": "celery", "customs": {"EXTRACT": "q2"}},
        "retention": {"offset": 2},
        "tasks": ["EXTRACT"],
    }
    assert by_name["director.ORDER"]["schema"]["required"] == ["user", "product"]
    assert by_name["director.with.dots"]["name"] == "with.dots"


def test_ping_needs_no_credential_and_its_head_has_the_length(server):
    assert server.ask(Call("GET", "/api/ping")).body == b'{"message":"pong"}\n'
    head = server.ask(Call("HEAD", "/api/ping"))
    assert (head.status, head.headers["Content-Length"], head.body) == (200, "19", b"")


def test_head_of_a_list_requires_a_credential(server):
    assert server.ask(Call("HEAD", "/api/workflows")).status == 401


def test_options_list_the_methods_without_a_credential(server):
    for path, methods in (
        ("/api/ping", {"GET", "HEAD", "OPTIONS"}),
        ("/api/workflows", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("/api/workflows/any", {"GET", "HEAD", "OPTIONS"}),
        ("/api/workflows/any/relaunch", {"POST", "OPTIONS"}),
        ("/api/workflows/any/cancel", {"POST", "OPTIONS"}),
        ("/api/definitions", {"GET", "HEAD", "OPTIONS"}),
    ):
        answer = server.ask(Call("OPTIONS", path))
        assert (answer.status, answer.body) == (200, b"")
        assert set(answer.headers["Allow"].split(", ")) == methods
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/notfound", 404),
        ("GET", "/api", 404),
        ("GET", "/api/workflows/", 404),
        ("DELETE", "/api/workflows", 405),
        ("GET", "/api/workflows/any/relaunch", 405),
    ],
)
def test_routing_comes_before_the_credential(server, method, path, status):
    answer = server.ask(Call(method, path))
    assert answer.status == status
    vendor("director").check_error(answer, Call(method, path))


def test_credential_comes_before_all_else(server):
    for method, path in (
        ("GET", "/api/workflows/abc"),
        ("GET", "/api/workflows?page=0"),
        ("POST", "/api/workflows"),
        ("POST", "/api/workflows/abc/cancel"),
    ):
        assert server.ask(Call(method, path)).status == 401


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer token",
        "Basic",
        "Basic !",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Basic " + base64.b64encode(b"nobody:nothing").decode(),
    ],
)
def test_other_credentials_are_refused_with_a_challenge(server, authorization):
    call = Call("GET", "/api/workflows").having(Authorization=authorization)
    answer = server.ask(call)
    assert answer.status == 401
    vendor("director").check_error(answer, call)


def test_repeated_start_with_the_same_key_is_one_workflow(desk):
    body = {"project": "director", "name": "ETL", "payload": {}}
    call = Call("POST", "/api/workflows").sending(body).having(Idempotency_Key="start once")
    signed = vendor("director").sign(call, desk.key)
    first, second = desk.server.ask(signed), desk.server.ask(signed)
    assert first.status == second.status == 201
    assert first.json == second.json
    assert second.headers["Idempotency-Replayed"] == "true"
