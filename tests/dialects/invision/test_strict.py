"""The switch that gives every refusal the one status that InVision documents."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.dialects.invision.vendor import VENDOR
from tests.dialects.suite import Call


@pytest.fixture
def strict(with_settings):
    with_settings(invision_strict_500=True)


def refused(server, call, key="operator"):
    answer = server.ask(VENDOR.sign(call, server.keys[key]) if key else call)
    VENDOR.check_error(answer, call)
    return answer.status


def test_malformed_call_is_a_500_and_writes_nothing(strict, server, run_in):
    run, head = run_in("running"), server.head()
    for call, _ in VENDOR.malformed(run):
        assert (refused(server, call), call) == (500, call)
    assert server.head() == head


def test_forbidden_call_is_a_500(strict, server, run_in):
    run = run_in("running")
    for call in VENDOR.calls(run):
        for key in (None, "stranger", "auditor of all"):
            assert refused(server, call, key) == 500, call
    assert refused(server, VENDOR.start(run), "viewer") == 500


def test_busy_flow_and_reused_key_are_a_500(strict, server, queued):
    start = VENDOR.start(queued("suite.EXCLUSIVE"))
    assert refused(server, start) == 500
    key = str(uuid4())
    first = VENDOR.start(queued("suite.OTHER")).having(Idempotency_Key=key)
    assert server.ask(VENDOR.sign(first, server.keys["operator"])).status == 200
    server.cancel(server.newest("suite.OTHER"), force=True)
    assert refused(server, first.sending({"dataContext": "x"})) == 500


def test_unknown_address_and_method_are_a_500(strict, server, run_in):
    assert refused(server, Call("GET", VENDOR.unknown)) == 500
    path = VENDOR.start(run_in("running")).target
    answer = server.ask(VENDOR.sign(Call("GET", path), server.keys["operator"]))
    assert (answer.status, answer.headers["Allow"]) == (500, "POST")


def test_strictness_changes_neither_successes_nor_other_vendors(strict, server, run_in):
    run = run_in("failed")
    answer = server.ask(VENDOR.sign(VENDOR.status(run), server.keys["operator"]))
    assert (answer.status, answer.json["status"]) == (200, "Failed")
    assert server.ask(Call("GET", "/v1/runs")).status == 401
