"""The promises that every dialect keeps, asked of a real server as its vendor's clients ask."""

from __future__ import annotations

import pytest

from tests.dialects.suite import ENDS, NAMES, STARTING, STATES, Call, vendor

every = pytest.mark.parametrize("name", NAMES)
starting = pytest.mark.parametrize("name", STARTING)


@every
def test_every_closed_route_refuses_a_call_without_a_credential(server, run_in, name):
    run, head = run_in("running"), server.head()
    for call in vendor(name).calls(run):
        answer = server.ask(call)
        assert answer.status == 401, call
        vendor(name).check_error(answer, call)
    assert server.head() == head


@every
def test_every_route_refuses_an_unknown_credential(server, run_in, name):
    run, head = run_in("running"), server.head()
    for call in vendor(name).calls(run):
        answer = server.ask(vendor(name).sign(call, server.unknown_key))
        assert answer.status == 401, call
        vendor(name).check_error(answer, call)
    assert server.head() == head


@every
def test_every_route_refuses_an_undecodable_credential(server, run_in, name):
    for call in vendor(name).calls(run_in("running")):
        answer = server.ask(vendor(name).sign(call, server.garbled_key))
        assert answer.status == 401, call
        vendor(name).check_error(answer, call)


@every
def test_ledger_wide_key_is_refused(server, run_in, name):
    for call in vendor(name).calls(run_in("running")):
        answer = server.ask(vendor(name).sign(call, server.keys["auditor of all"]))
        assert answer.status == 403, call
        vendor(name).check_error(answer, call)


@every
def test_viewer_cannot_start_a_run(server, run_in, name):
    run, head = run_in("running"), server.head()
    for call in vendor(name).calls(run):
        if call.method in {"POST", "PUT"}:
            answer = server.ask(vendor(name).sign(call, server.keys["viewer"]))
            assert answer.status == 403, call
            vendor(name).check_error(answer, call)
    assert server.head() == head


@every
def test_malformed_call_gets_the_vendors_error_and_writes_nothing(server, run_in, name):
    run, head = run_in("running"), server.head()
    for call, status in vendor(name).malformed(run):
        answer = server.ask(vendor(name).sign(call, server.keys["operator"]))
        assert (answer.status, call) == (status, call), answer.body
        vendor(name).check_error(answer, call)
    assert server.head() == head


@every
def test_unknown_address_is_not_found_in_the_vendors_body(server, name):
    call = Call("GET", vendor(name).unknown)
    answer = server.ask(vendor(name).sign(call, server.keys["operator"]))
    assert answer.status == 404
    vendor(name).check_error(answer, call)


@every
@pytest.mark.parametrize("method", ["PATCH", "DELETE", "PUT"])
def test_wrong_method_gets_the_vendors_error_and_the_allowed_methods(server, run_in, name, method):
    run = run_in("running")
    calls = vendor(name).calls(run)
    paths = {call.path: call.method for call in calls}
    served = {(call.method, call.path) for call in calls}
    for path, right in paths.items():
        if (method, path) in served:
            continue
        call = Call(method, path)
        answer = server.ask(vendor(name).sign(call, server.keys["operator"]))
        assert answer.status == 405, path
        assert right in answer.headers["Allow"]
        vendor(name).check_error(answer, call)


@every
def test_internal_error_has_the_vendors_body(server, run_in, name):
    run = run_in("running")
    for call in vendor(name).calls(run):
        answer = server.ask(vendor(name).sign(call, server.keys["operator"]), broken=True)
        assert answer.status == 500, call
        vendor(name).check_error(answer, call)


@every
@pytest.mark.parametrize("state", STATES)
def test_run_state_is_shown_with_the_vendors_word(server, run_in, name, state):
    run = run_in(state)
    answer = server.ask(vendor(name).sign(vendor(name).status(run), server.keys["operator"]))
    assert answer.status == 200
    assert vendor(name).word(answer, run) == vendor(name).words[state]
    assert int(answer.headers["Flowledger-Position"]) >= run["position"]


@every
@pytest.mark.parametrize("state", ENDS)
def test_status_of_an_ended_run_never_changes(server, run_in, name, state):
    run = run_in(state)
    for kind in ("RunStarted", "RunSucceeded", "RunWarned", "RunFailed", "RunCancelled"):
        server.report(run, [(kind, None, {})])
    server.report(run, [("TaskStarted", "BOTH/ORDERS", {}), ("TaskFailed", "BOTH/ITEMS", {})])
    server.cancel(run)
    answer = server.ask(vendor(name).sign(vendor(name).status(run), server.keys["operator"]))
    assert vendor(name).word(answer, run) == vendor(name).words[state]


@starting
def test_started_run_is_readable_at_once_in_every_dialect(server, free, name):
    operator = server.keys["operator"]
    answer = server.ask(vendor(name).sign(vendor(name).start(free), operator))
    assert answer.status in {200, 201, 202}
    read = server.ask(vendor(name).sign(vendor(name).started(answer, free), operator))
    assert read.status == 200
    run = server.newest("suite.EXCLUSIVE")
    assert run["run_id"] != free["run_id"]
    for other in NAMES:
        read = server.ask(vendor(other).sign(vendor(other).status(run), operator))
        assert vendor(other).word(read, run) == vendor(other).words["queued"]


@starting
def test_start_with_the_same_key_is_the_same_run(server, free, name):
    operator = server.keys["operator"]
    start = vendor(name).start(free).having(Idempotency_Key=f"twice in {name}")
    first = server.ask(vendor(name).sign(start, operator))
    head = server.head()
    second = server.ask(vendor(name).sign(start, operator))
    assert (second.status, second.body) == (first.status, first.body)
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert server.head() == head


@starting
def test_same_key_for_another_request_is_refused(server, queued, name):
    operator = server.keys["operator"]
    for flow, status in (("suite.OTHER", {200, 201, 202}), ("suite.NEVER", {422})):
        start = vendor(name).start(queued(flow)).having(Idempotency_Key=f"two in {name}")
        answer = server.ask(vendor(name).sign(start, operator))
        assert answer.status in status
    vendor(name).check_error(answer, start)


@starting
@pytest.mark.parametrize("key", ["", "x" * 201, "\xff", "a\tb"])
def test_malformed_idempotency_key_starts_nothing(server, run_in, name, key):
    run, head = run_in("running"), server.head()
    start = vendor(name).start(run).having(Idempotency_Key=key)
    answer = server.ask(vendor(name).sign(start, server.keys["operator"]))
    assert answer.status == 400
    vendor(name).check_error(answer, start)
    assert server.head() == head


@starting
def test_exclusive_flow_runs_once_at_a_time(server, queued, name):
    run, head = queued("suite.EXCLUSIVE"), server.head()
    start = vendor(name).start(run)
    answer = server.ask(vendor(name).sign(start, server.keys["operator"]))
    assert answer.status in {400, 409}
    vendor(name).check_error(answer, start)
    assert server.head() == head


@starting
def test_payload_that_fails_the_flows_schema_starts_nothing(server, queued, name):
    run, head = queued("suite.STRICT", day="monday"), server.head()
    start = vendor(name).start(run)
    answer = server.ask(vendor(name).sign(start, server.keys["operator"]))
    assert answer.status == 400
    vendor(name).check_error(answer, start)
    assert server.head() == head


@every
def test_retry_creates_a_new_run(server, run_in, name):
    first = run_in("failed")
    again = server.retry(first)
    for run, state in ((first, "failed"), (again, "queued")):
        call = vendor(name).status(run)
        answer = server.ask(vendor(name).sign(call, server.keys["operator"]))
        assert vendor(name).word(answer, run) == vendor(name).words[state]


def test_two_vendors_agree_on_every_state_at_one_position(server, run_in):
    for state in STATES:
        run = run_in(state)
        for name in NAMES:
            call = vendor(name).sign(vendor(name).status(run), server.keys["operator"])
            answer = server.ask(call.having(Flowledger_Min_Position=str(run["position"])))
            assert vendor(name).word(answer, run) == vendor(name).words[state], (name, state)
