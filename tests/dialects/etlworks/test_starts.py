"""The three ways to start a flow: by its id, by its name, by a message."""

from __future__ import annotations

import threading

import pytest

from service.access import Origin
from service.flows.definitions import load_definitions
from service.flows.registration import register
from tests.dialects.etlworks.vendor import VENDOR
from tests.dialects.suite import DIALECTS, Call

NAMED = (
    "/rest/v1/flows/flow-name/{}/run",
    "/plugins/flows/rest/v1/flows/flow-name/{}/run",
)
LISTENER = "/rest/v1/httplistener/orders/new"


@pytest.fixture
def ask(server):
    def send(call, key="operator"):
        return server.ask(VENDOR.sign(call, server.keys[key]))

    return send


def message(body, content_type=None, method="POST"):
    headers = {} if content_type is None else {"Content-Type": content_type}
    return Call(method, LISTENER, body, headers)


@pytest.mark.parametrize("path", NAMED)
@pytest.mark.parametrize("name", ["suite.OTHER", "OTHER", "suite%2EOTHER", "%4FTHER"])
def test_a_flow_is_found_by_its_fullname_and_by_its_name(ask, server, path, name):
    answer = ask(Call("POST", path.format(name)))
    assert answer.status == 200
    run = server.newest("suite.OTHER")
    assert answer.json["auditId"] == run["run_number"]
    assert answer.json["messageUuid"] is None
    assert run["payload"] == {}


@pytest.fixture(scope="module")
def load(server, tmp_path_factory):
    """Load flows into a tenant of their own, where no other vendor has an id for them."""
    file = tmp_path_factory.mktemp("names") / "flows.yaml"

    def loaded(text):
        file.write_text(text, "utf-8")
        service = server.service
        server.run(
            register(
                service.log,
                service.catalogue,
                tenant="names",
                definitions=load_definitions(file),
                dialects=[DIALECTS["etlworks"]],
                origin=Origin(actor="suite", source="cli"),
            )
        )

    return loaded


@pytest.fixture(scope="module")
def names(server):
    credentials = server.service.credentials
    return server.run(credentials.create(tenant="names", role="operator", name="names"))


@pytest.mark.parametrize(
    "name",
    [
        "Nightly%20orders%2Feu%2B%C3%BC",
        "a.Nightly%20orders%2feu+%C3%BC",
        "Nightly+orders%2Feu%2B%C3%BC",
    ],
)
def test_a_name_is_decoded_as_it_was_encoded(server, load, names, name):
    load('"a.Nightly orders/eu+ü": {executor: external, tasks: [ONLY]}')
    call = Call("POST", f"/rest/v1/flows/flow-name/{name}/run")
    answer = server.ask(VENDOR.sign(call, names))
    assert answer.status == 200, answer.body


def test_ambiguous_flow_name_is_refused_and_both_flows_are_named(ask, server):
    head = server.head()
    answer = ask(Call("POST", "/rest/v1/flows/flow-name/TWICE/run"))
    assert answer.status == 400
    assert "suite.TWICE, suite2.TWICE" in answer.json["message"]
    assert server.head() == head
    assert ask(Call("POST", "/rest/v1/flows/flow-name/suite2.TWICE/run")).status == 200


def test_parameters_are_accepted_in_a_start_by_name(ask, server):
    ask(Call("POST", NAMED[0].format("OTHER")).sending({"region": "eu"}))
    assert server.newest("suite.OTHER")["payload"] == {"region": "eu"}


@pytest.mark.parametrize(
    ("body", "content_type", "payload"),
    [
        (None, None, {}),
        (b'{"order": {"lines": [1]}}', None, {"order": {"lines": [1]}}),
        (b'{"a": 1}', "application/json; charset=utf-8", {"a": 1}),
        (b'{"a": 1}', "application/hal+json", {"a": 1}),
        (b"[1, 2]", "application/json", {"message": [1, 2]}),
        (b"a,b\n1,2\n", "text/csv", {"message": "a,b\n1,2\n"}),
        ("<ö/>".encode(), "application/xml", {"message": "<ö/>"}),
        (b'{"a": 1}', "application/x-www-form-urlencoded", {"message": '{"a": 1}'}),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_message_becomes_the_payload(ask, server, body, content_type, payload, method):
    answer = ask(message(body, content_type, method))
    assert answer.status == 200
    run = server.newest("suite.ORDERS")
    assert (answer.json["auditId"], run["payload"]) == (run["run_number"], payload)


def test_execution_is_found_by_the_message_id_of_its_start(ask):
    started = ask(message(b"{}")).json
    target = f"/rest/v1/executions/{started['flowId']}?messageId={started['messageUuid']}"
    shown = ask(Call("GET", target)).json
    assert shown["auditId"] == started["auditId"]
    assert shown["messageId"] == started["messageUuid"]
    assert shown["triggerType"] is None


def test_an_execution_that_no_message_started_has_no_message_id(ask, run_in):
    run = run_in("running")
    shown = ask(Call("GET", VENDOR.status(run).target + f"&messageId={run['run_id']}")).json
    assert (shown["auditId"], shown["messageId"]) == (run["run_number"], None)


@pytest.mark.parametrize("slashes", ["{}", "{}/"])
def test_slashes_around_a_pattern_are_ignored(ask, slashes):
    assert ask(Call("POST", slashes.format(LISTENER))).status == 200
    assert ask(Call("POST", slashes.format(LISTENER).replace("orders", "/orders"))).status == 200


def test_repeated_message_with_the_same_key_starts_one_run(ask, server):
    call = message(b'{"order": 1}').having(Idempotency_Key="order 1")
    answers, gate = [], threading.Barrier(6)

    def send():
        gate.wait()
        answers.append(ask(call))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["messageUuid"] for answer in answers}) == 1


def test_message_and_start_by_id_with_one_key_differ(ask, run_in):
    run = run_in("running")
    start = VENDOR.start(run).having(Idempotency_Key="one key, two ways")
    assert ask(start).status == 200
    answer = ask(message(b"").having(Idempotency_Key="one key, two ways"))
    assert answer.status == 422
    VENDOR.check_error(answer, start)


def test_moved_listener_does_not_answer_at_its_old_address(server, load, names):
    flow = "a.MOVED: {{executor: external, tasks: [ONLY], ids: {{etlworks: {{listener: {}}}}}}}"
    answers = []
    for listener in ("old", "new"):
        load(flow.format(listener))
        calls = (Call("POST", f"/rest/v1/httplistener/{each}") for each in ("old", "new"))
        answers.append([server.ask(VENDOR.sign(call, names)).status for call in calls])
    assert answers == [[200, 404], [404, 200]]


def test_retry_of_a_message_started_run_is_found_by_message_id(ask, server):
    sent = ask(Call("POST", "/rest/v1/httplistener/again")).json
    first = server.newest("suite.AGAIN")
    server.report(first, [("RunFailed", None, {})])
    path = f"/rest/v1/executions/{sent['flowId']}"
    latest = ask(Call("GET", path)).json
    assert (latest["status"], latest["retries"], latest["parentAuditId"]) == (
        "running",
        1,
        sent["auditId"],
    )
    assert latest["messageId"] == sent["messageUuid"]
    message = f"{path}?messageId={sent['messageUuid']}"
    assert ask(Call("GET", message)).json["status"] == "error"
    both = ask(Call("GET", f"{message}&auditId={latest['auditId']}"))
    assert both.json["auditId"] == latest["auditId"]
    server.cancel(server.newest("suite.AGAIN"), force=True)
