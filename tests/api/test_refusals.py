"""What /v1 refuses: each refusal a problem of a stable type, and nothing written."""

from uuid import uuid4

import pytest

from tests.dialects.suite import Call

START, ORDERS = "/v1/runs", {"flow": "suite.ORDERS"}

# Who may what

CALLS = {
    "read": ("GET", "/v1/runs", None),
    "look": ("GET", "/v1/runs/{run_id}", None),
    "history": ("GET", "/v1/runs/{run_id}/events", None),
    "told": ("GET", "/v1/runs/{run_id}/history", None),
    "flows": ("GET", "/v1/flows", None),
    "log": ("GET", "/v1/events", None),
    "start": ("POST", "/v1/runs", ORDERS),
    "retry": ("POST", "/v1/runs/{run_id}/retry", None),
    "report": (
        "POST",
        "/v1/runs/{run_id}/events",
        {"events": [{"event_id": "1", "type": "RunStarted"}]},
    ),
    "cancel": ("POST", "/v1/runs/{run_id}/cancel", None),
    "correct": ("POST", "/v1/runs/{run_id}/corrections", {"position": 1, "reason": "x"}),
    "audit": ("GET", "/v1/audit", None),
    "projections": ("GET", "/v1/projections", None),
}
READS = {"read", "look", "history", "told", "flows", "log"}
OPERATES = READS | {"start", "retry", "report", "cancel"}
MAY = {
    "viewer": READS,
    "auditor": READS | {"audit"},
    "operator": OPERATES,
    "executer": OPERATES,
    "editor": OPERATES,
    "administrator": set(CALLS),
}


@pytest.mark.parametrize("role", MAY)
def test_role_is_allowed_exactly_its_calls(api, role):
    run = api.start()
    for name, (method, path, body) in CALLS.items():
        body = body | {"position": run["position"]} if name == "correct" else body  # noqa: PLW2901
        answer = api.ask(method, path.format(run_id=run["run_id"]), body, key=role)
        assert (answer.status < 300) is (name in MAY[role]), (name, answer.body)
        if name not in MAY[role]:
            assert answer.status == 403
            assert answer.json["type"] == "urn:flowledger:problem:forbidden"


def test_call_without_a_known_credential_is_refused(server, problem, untouched):
    for method, path, body in CALLS.values():
        call = Call(method, path.format(run_id=uuid4()))
        call = call if body is None else call.sending(body)
        for headers in (
            {},
            {"Authorization": "Bearer fl_unknown"},
            {"Authorization": "Basic eA=="},
        ):
            answer = server.ask(call.having(**headers))
            assert problem(answer, 401) == "unauthenticated"
            assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_another_tenants_ids_are_not_found(api, problem):
    run = api.start()
    head = api.server.head()
    for name in ("look", "history", "told", "retry", "report", "cancel", "correct"):
        method, path, body = CALLS[name]
        answer = api.ask(method, path.format(run_id=run["run_id"]), body, key="stranger")
        assert problem(answer, 404) == "unknown-run"
    assert problem(api.ask("POST", START, ORDERS, key="stranger"), 404) == "unknown-flow"
    assert api.server.head() == head


@pytest.mark.parametrize("name", sorted(OPERATES))
def test_naming_another_tenant_gives_no_access_to_it(api, problem, name):
    run = api.start()
    head = api.server.head()
    method, path, body = CALLS[name]
    for key, tenant in (("stranger", "default"), ("operator", "elsewhere"), ("operator", "*")):
        target = f"{path.format(run_id=run['run_id'])}?tenant={tenant}"
        answer = api.ask(method, target, body, key=key)
        assert problem(answer, 400) == "bad-request"
        assert answer.json["field"] == "tenant"
    assert api.server.head() == head


def test_a_ledger_wide_administrator_works_in_the_tenant_it_names(api):
    started = api.ask("POST", f"{START}?tenant=default", ORDERS, key="administrator of all")
    assert (started.status, started.json["tenant"]) == (201, "default")
    read = api.get(started.headers["Location"], key="administrator of all")
    assert read == started.json
    path = f"/v1/runs/{read['run_id']}/cancel?tenant=default"
    assert api.ask("POST", path, key="administrator of all").json["status"] == "cancelling"


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"log", "audit", "projections"}))
def test_a_ledger_wide_credential_must_name_the_tenant(api, problem, untouched, name):
    method, path, body = CALLS[name]
    answer = api.ask(method, path.format(run_id=uuid4()), body, key="administrator of all")
    assert problem(answer, 400) == "bad-request"
    assert answer.json["field"] == "tenant"


def test_a_ledger_wide_credential_finds_nothing_in_an_unknown_tenant(api, problem, untouched):
    for tenant, status in (("nobody", 404), ("*", 400), ("", 400)):
        target = f"{START}?tenant={tenant}"
        problem(api.ask("POST", target, ORDERS, key="administrator of all"), status)


# Ids, addresses and methods


@pytest.mark.parametrize(
    "run_id",
    [
        "7",
        "nobody",
        "01a206737961794d9823d4e8e971e6bf",
        "{01a20673-7961-794d-9823-d4e8e971e6bf}",
        "urn:uuid:01a20673-7961-794d-9823-d4e8e971e6bf",
        "01a20673-7961-794d-9823-d4e8e971e6b_",
        "01a20673-7961-794d-9823-d4e8e971e6bf0",
        "%D9%A1" * 36,
        "%00",
        "%ff",
        "%zz",
        "x" * 5000,
    ],
)
def test_a_malformed_run_id_is_refused_everywhere(api, problem, untouched, run_id):
    for name in ("look", "history", "told", "retry", "report", "cancel"):
        method, path, body = CALLS[name]
        answer = api.ask(method, path.format(run_id=run_id), body)
        assert problem(answer, 400) == "bad-request"


def test_an_unknown_run_is_not_found_everywhere(api, problem, untouched):
    for name in ("look", "history", "told", "retry", "report", "cancel"):
        method, path, body = CALLS[name]
        answer = api.ask(method, path.format(run_id=uuid4()), body)
        assert problem(answer, 404) == "unknown-run"


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nothing", "/v1/runs/", "/v1/flows/x", "/x"])
def test_an_unknown_address_is_not_found(api, problem, path):
    assert problem(api.ask("GET", path), 404) == "not-found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/runs", "GET, HEAD, POST"),
        ("PUT", "/v1/events", "GET, HEAD"),
        ("POST", "/v1/flows", "GET, HEAD"),
        ("GET", "/v1/runs/01a20673-7961-794d-9823-d4e8e971e6bf/cancel", "POST"),
        ("PATCH", "/v1/runs/01a20673-7961-794d-9823-d4e8e971e6bf", "GET, HEAD"),
        ("OPTIONS", "/v1/runs", "GET, HEAD, POST"),
    ],
)
def test_wrong_method_is_405_with_the_allowed_methods(
    api, problem, untouched, method, path, allowed
):
    answer = api.ask(method, path)
    assert problem(answer, 405) == "method-not-allowed"
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"read", "history", "log"}))
def test_an_unknown_parameter_is_refused(api, problem, untouched, name):
    method, path, body = CALLS[name]
    answer = api.ask(method, path.format(run_id=uuid4()) + "?tennant=x", body, key="administrator")
    assert problem(answer, 400) == "bad-request"
    assert answer.json["field"] == "tennant"


# Bodies

TEXTS = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"flow": "\xff"}',
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "NaN": b'{"flow": "suite.ORDERS", "payload": {"x": NaN}}',
    "Infinity": b'{"flow": "suite.ORDERS", "payload": {"x": -Infinity}}',
    "an infinite float": b'{"flow": "suite.ORDERS", "payload": {"x": 1e999}}',
    "NUL": b'{"flow": "suite.ORDERS", "payload": {"x": "\\u0000"}}',
    "NUL in a key": b'{"flow": "suite.ORDERS", "payload": {"\\u0000": 1}}',
    "half a character": b'{"flow": "suite.ORDERS", "payload": {"x": "\\ud800"}}',
    "an integer of 65 bits": b'{"flow": "suite.ORDERS", "payload": {"x": 18446744073709551616}}',
    "a negative one": b'{"flow": "suite.ORDERS", "payload": {"x": -9223372036854775809}}',
    "many levels": b'{"flow": "suite.ORDERS", "payload": ' + b'{"x":' * 300 + b"1" + b"}" * 301,
    "trailing text": b'{"flow": "suite.ORDERS"} x',
}
BODIES = {
    "no flow": {},
    "an unknown member": ORDERS | {"paylaod": {}},
    "a flow that is no text": {"flow": 7},
    "an empty flow": {"flow": ""},
    "a long flow": {"flow": "x" * 201},
    "a payload that is no object": ORDERS | {"payload": [1]},
    "a payload of null": ORDERS | {"payload": None},
    "a comment that is no text": ORDERS | {"comment": 7},
    "a long comment": ORDERS | {"comment": "x" * 256},
}


@pytest.mark.parametrize("body", TEXTS.values(), ids=TEXTS)
def test_body_other_than_a_json_object_is_refused(api, problem, untouched, body):
    for name in ("start", "report", "cancel", "retry"):
        if body or name in {"start", "report"}:
            path = CALLS[name][1].format(run_id=uuid4())
            answer = api.ask("POST", path, body)
            assert problem(answer, 400) == "bad-request", name


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_malformed_start_is_refused(api, problem, untouched, body):
    answer = api.ask("POST", START, body)
    assert problem(answer, 400) == "bad-request"
    assert answer.json["field"] in {"flow", "payload", "comment", "paylaod"}


@pytest.mark.parametrize(
    "payload",
    [
        {"x": 2**64 - 1, "y": -(2**63), "z": 1.5e300},
        {"x": "\U0001f600 \x7f ü", "": [None, True, {}]},
        {"deep": [[[[[[[[[[1]]]]]]]]]]},
    ],
)
def test_json_payload_is_returned_unchanged(api, payload):
    run = api.start(payload=payload)
    assert api.get(f"/v1/runs/{run['run_id']}")["payload"] == payload


def test_an_unknown_flow_is_not_found(api, problem, untouched):
    assert problem(api.ask("POST", START, {"flow": "suite.NO"}), 404) == "unknown-flow"


def test_payload_that_fails_the_schema_is_refused_with_reasons(api, problem, untouched):
    answer = api.ask("POST", START, {"flow": "suite.STRICT", "payload": {}})
    assert problem(answer, 400) == "invalid-payload"
    assert answer.json["field"] == "payload"
    assert answer.json["errors"] == ["'day' is a required property"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "x"])
def test_body_of_another_content_type_is_refused(api, problem, untouched, content_type):
    for name in ("start", "report", "cancel", "retry"):
        path = CALLS[name][1].format(run_id=uuid4())
        answer = api.ask("POST", path, b'{"flow": "suite.ORDERS"}', Content_Type=content_type)
        assert problem(answer, 415) == "unsupported-media-type"


def test_content_type_may_have_parameters(api):
    sent = api.ask("POST", START, ORDERS, Content_Type="Application/JSON; charset=utf-8")
    assert sent.status == 201


def test_optional_body_may_be_empty_with_any_content_type(api):
    run = api.start()
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    path = f"/v1/runs/{run['run_id']}"
    assert api.ask("POST", f"{path}/retry", b"", **form).status == 201
    assert api.ask("POST", f"{path}/cancel", b"", **form).status == 200


def test_a_long_body_is_refused(api, problem, untouched):
    body = ORDERS | {"payload": {"x": "x" * 2**20}}
    assert problem(api.ask("POST", START, body), 413) == "too-large"


@pytest.mark.parametrize(
    ("body", "field"),
    [({"force": 1}, "force"), ({"force": "true"}, "force"), ({"froce": True}, "froce")],
)
def test_a_malformed_cancel_is_refused(api, problem, untouched, body, field):
    answer = api.ask("POST", CALLS["cancel"][1].format(run_id=uuid4()), body)
    assert problem(answer, 400) == "bad-request"
    assert answer.json["field"] == field


def test_a_retry_takes_no_members(api, problem, untouched):
    answer = api.ask("POST", CALLS["retry"][1].format(run_id=uuid4()), {"payload": {}})
    assert problem(answer, 400) == "bad-request"


def test_internal_error_is_a_problem_that_names_the_request(server, problem):
    token = server.keys["operator"].token
    call = Call("GET", "/v1/runs").having(Authorization=f"Bearer {token}", X_Request_Id="abc-1")
    answer = server.ask(call, broken=True)
    assert problem(answer, 500) == "crashed"
    assert "abc-1" in answer.json["detail"]
