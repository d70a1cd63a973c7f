"""What Etlworks' clients see of an execution."""

from __future__ import annotations

import pytest

from service.dialects.etlworks import rendering
from tests.dialects.facts import RUN_ID, STATES, TERMINAL, run_facts

RUNNING = {
    "auditId": 880012,
    "parentAuditId": None,
    "retries": None,
    "flowId": 4711,
    "flowName": "nightly.ORDERS",
    "eventId": None,
    "eventName": None,
    "messageId": None,
    "tenantId": None,
    "status": "running",
    "triggerType": "flow.execution.on.demand",
    "startedBy": "ops-bot",
    "started": 1767225602500,
    "ended": None,
    "duration": None,
    "code": None,
    "exception": None,
    "warnings": None,
    "metrics": None,
    "fileMetrics": None,
    "errorLocationInSql": None,
    "fileName": None,
    "records": 1,
}
SUCCEEDED = RUNNING | {
    "status": "success",
    "ended": 1767225664500,
    "duration": "1 minute 2 seconds",
}
ERROR = {
    "task": "LOAD",
    "reason": "error",
    "exception": "no such table: stage_orders",
    "traceback": "Traceback ...\nOperationalError: no such table: stage_orders",
    "statement": "insert into\n\nstage_orders select 1",
    "line": 3,
}


def test_running_execution_shows_no_end():
    assert rendering.execution(run_facts("running")) == RUNNING


def test_queued_execution_started_when_it_was_created():
    expected = RUNNING | {"started": 1767225600000}
    assert rendering.execution(run_facts("queued")) == expected


def test_succeeded_execution_shows_its_end():
    assert rendering.execution(run_facts("succeeded")) == SUCCEEDED


@pytest.mark.parametrize("state", STATES)
def test_all_fields_are_always_there_in_the_vendors_order(state):
    assert list(rendering.execution(run_facts(state))) == list(RUNNING)


def test_retry_keeps_the_trigger_of_a_schedule_or_message():
    chain = {"attempt": 3, "root_run": "m", "root_run_number": 880010}
    scheduled = rendering.execution(run_facts("running", trigger="schedule", **chain))
    assert {name: value for name, value in scheduled.items() if value != RUNNING[name]} == {
        "parentAuditId": 880010,
        "retries": 2,
        "triggerType": "flow.execution.scheduler",
        "startedBy": "scheduler",
    }
    sent = rendering.execution(run_facts("running", trigger="message", **chain))
    assert (sent["messageId"], sent["triggerType"], sent["retries"]) == ("m", None, 2)


def test_warnings_are_joined_into_one_text():
    shown = rendering.execution(run_facts("warned", warnings=["one", "two"]))
    assert shown == SUCCEEDED | {"status": "warning", "warnings": "one\ntwo"}


def test_warned_execution_has_a_warning_even_without_a_text():
    assert rendering.execution(run_facts("warned", warnings=[]))["warnings"]


def test_metrics_are_shown_after_the_execution_ends():
    metrics = [{"task": "LOAD", "rows": 12}]
    assert rendering.execution(run_facts("running", metrics=metrics))["metrics"] is None
    assert rendering.execution(run_facts("succeeded", metrics=metrics))["metrics"] == metrics


def test_failed_execution_shows_statement_line_and_trace():
    assert rendering.execution(run_facts("failed", error=ERROR)) == SUCCEEDED | {
        "status": "error",
        "code": ERROR["statement"],
        "errorLocationInSql": 3,
        "exception": ERROR["traceback"],
    }


def test_failure_is_not_shown_while_the_run_continues():
    assert rendering.execution(run_facts("running", failing=True, error=ERROR)) == RUNNING


@pytest.mark.parametrize(
    ("error", "reason", "text"),
    [
        ({"exception": "boom", "traceback": None}, "error", "boom"),
        ({"exception": "boom", "traceback": "at line 1"}, "error", "boom\nat line 1"),
        ({"exception": None, "traceback": "at line 1"}, "error", "at line 1"),
        ({"reason": "timeout"}, "timeout", "Execution timed out"),
        (None, "timeout", "Execution timed out"),
        (None, "lost", "Execution lost: its worker stopped answering"),
        (None, "error", "Execution failed"),
    ],
)
def test_failed_execution_always_has_an_error_text(error, reason, text):
    shown = rendering.execution(run_facts("failed", error=error, reason=reason))
    assert shown["exception"] == text


@pytest.mark.parametrize(
    ("by", "error", "text"),
    [
        ("ann", None, "Execution canceled by ann"),
        (None, None, "Execution canceled"),
        ("ann", {"exception": "boom"}, "Execution canceled by ann\nboom"),
    ],
)
def test_cancelled_execution_is_an_error_that_names_the_canceller(by, error, text):
    shown = rendering.execution(run_facts("cancelled", cancelled_by=by, error=error))
    assert (shown["status"], shown["exception"]) == ("error", text)


def test_duration_of_an_execution_cancelled_in_the_queue_starts_at_creation():
    shown = rendering.execution(run_facts("cancelled", started_us=None))
    assert (shown["started"], shown["duration"]) == (1767225600000, "1 minute 4 seconds")


def test_retried_execution_names_the_first_of_its_chain():
    shown = rendering.execution(run_facts("queued", attempt=3, root_run_number=880001))
    assert (shown["parentAuditId"], shown["retries"]) == (880001, 2)


@pytest.mark.parametrize(
    ("trigger", "kind", "by", "message"),
    [
        ("on_demand", "flow.execution.on.demand", "ops-bot", None),
        ("retry", "flow.execution.on.demand", "ops-bot", None),
        ("schedule", "flow.execution.scheduler", "scheduler", None),
        ("message", None, "ops-bot", RUN_ID),
    ],
)
def test_trigger_determines_starter_and_message_id(trigger, kind, by, message):
    shown = rendering.execution(run_facts("running", trigger=trigger))
    assert (shown["triggerType"], shown["startedBy"], shown["messageId"]) == (kind, by, message)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (3605, "1 hour 5 seconds"),
        (86_400 * 2 + 3_600 + 120, "2 days 1 hour 2 minutes"),
    ],
)
def test_duration_is_in_words(seconds, words):
    assert rendering.duration(seconds) == words


def test_start_returns_the_ids_and_a_code():
    assert rendering.started(run_facts("queued")) == {
        "flowId": 4711,
        "messageUuid": None,
        "auditId": 880012,
        "status": 0,
        "exception": None,
    }


def test_replayed_start_returns_the_run_in_its_current_state():
    shown = rendering.started(run_facts("failed", error={"exception": "boom"}))
    assert (shown["status"], shown["exception"]) == (5, "boom")


@pytest.mark.parametrize("state", TERMINAL)
def test_ended_execution_has_end_and_duration(state):
    shown = rendering.execution(run_facts(state))
    assert shown["ended"] == 1767225664500
    assert shown["duration"] == "1 minute 2 seconds"
