"""What Director's clients see of a run, and the bytes of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.dialects.director import rendering
from tests.dialects.facts import failure

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_encoded_bytes_match_pythons_json_encoder(value):
    expected = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True) + "\n"
    assert rendering.encode(value) == expected.encode()


@pytest.mark.parametrize(
    "value", ["é", "\x7f", "\x00\x1f\b\f\n\r\t", '"\\/', "\U0001f600", "\u2028"]
)
def test_encoded_bytes_are_always_ascii(value):
    assert rendering.encode(value) == json.dumps(value).encode() + b"\n"


def test_content_type_has_no_charset():
    response = rendering.answer({"message": "pong"})
    assert response.headers["Content-Type"] == "application/json"
    assert response.body == b'{"message":"pong"}\n'


@pytest.mark.parametrize(
    ("time_us", "text"),
    [
        (1_795_363_213_060_860, "2026-11-22T16:00:13.060860+00:00"),
        (1_577_836_800_000_000, "2020-01-01T00:00:00+00:00"),
        (1_577_836_800_000_001, "2020-01-01T00:00:00.000001+00:00"),
        (0, "1970-01-01T00:00:00+00:00"),
    ],
)
def test_time_has_six_fraction_digits_or_none(time_us, text):
    assert rendering.timestamp(time_us) == text


def test_workflow_has_exactly_its_keys(run):
    assert rendering.workflow(run()) == {
        "created": "2026-11-22T16:00:13.060860+00:00",
        "fullname": "example.ETL",
        "id": "8d3d5c31-54d0-4963-a3bf-89d47768cc8c",
        "name": "ETL",
        "payload": {"foo": "bar"},
        "periodic": False,
        "project": "example",
        "status": "pending",
        "updated": "2026-11-22T16:00:13.060860+00:00",
    }


def test_payload_key_is_absent_without_payload(run):
    shown = rendering.workflow_without_payload(run())
    assert shown.keys() == rendering.workflow(run()).keys() - {"payload"}


def test_comment_is_shown_even_if_empty(run):
    assert "comment" not in rendering.workflow(run())
    assert rendering.workflow(run(comment=""))["comment"] == ""
    assert rendering.workflow(run(comment="hello é"))["comment"] == "hello é"


@pytest.mark.parametrize(
    ("facts", "project", "name"),
    [
        ({}, "example", "with.dots"),
        ({"project": "example.with"}, "example.with", "dots"),
    ],
)
def test_project_ends_at_the_first_dot_unless_sent_explicitly(run, facts, project, name):
    shown = rendering.workflow(run(fullname="example.with.dots", **facts))
    assert (shown["project"], shown["name"]) == (project, name)


def test_lone_surrogate_in_a_refusal_is_escaped_as_python_does():
    assert rendering.encode({"error": "\ud800 é"}) == b'{"error":"\\ud800 \\u00e9"}\n'


@pytest.mark.parametrize(
    ("trigger", "periodic"),
    [("schedule", True), ("on_demand", False), ("retry", False), ("message", False)],
)
def test_only_scheduled_workflow_is_periodic(run, trigger, periodic):
    assert rendering.workflow(run(trigger=trigger))["periodic"] is periodic


def _tasks(run, *tasks, **facts):
    return rendering.workflow_with_tasks(run(tasks=list(tasks), **facts))["tasks"]


def test_task_has_exactly_its_keys_with_its_id_twice(run, task):
    assert _tasks(run, task(status="succeeded", result=8, previous=["a-task-id"])) == [
        {
            "created": "2026-11-22T16:00:37.438155+00:00",
            "id": "3609c66c-4162-4285-8bf2-81ced2aef4f3",
            "is_hook": False,
            "key": "EXTRACT",
            "previous": ["a-task-id"],
            "result": 8,
            "status": "success",
            "task": "3609c66c-4162-4285-8bf2-81ced2aef4f3",
            "updated": "2026-11-22T16:00:37.491816+00:00",
        }
    ]


@pytest.mark.parametrize("status", ["pending", "running", "cancelled", "skipped"])
def test_result_is_null_until_a_task_has_ended_by_itself(run, task, status):
    assert _tasks(run, task(status=status, result=8))[0]["result"] is None


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (
            {"reason": "error", "exception": "boom", "traceback": "Traceback ..."},
            {"exception": "boom", "traceback": "Traceback ..."},
        ),
        (
            {"reason": "error", "exception": None, "traceback": None},
            {"exception": "", "traceback": ""},
        ),
        (
            {"reason": "timeout", "exception": None, "traceback": None},
            {"exception": "timeout", "traceback": ""},
        ),
        (None, {"exception": "", "traceback": ""}),
        (
            {"exception": "RuntimeError", "traceback": "Traceback ...\nRuntimeError\n"},
            {"exception": "", "traceback": "Traceback ...\nRuntimeError\n"},
        ),
        (
            {"exception": "Refused", "traceback": "Traceback ...\nshop.errors.Refused\n"},
            {"exception": "", "traceback": "Traceback ...\nshop.errors.Refused\n"},
        ),
        (
            {"exception": "Refused", "traceback": "Traceback ...\nValueError: Refused\n"},
            {"exception": "Refused", "traceback": "Traceback ...\nValueError: Refused\n"},
        ),
    ],
)
def test_failed_task_has_exception_and_traceback_as_texts(run, task, error, result):
    assert _tasks(run, task(status="failed", error=failure(error)))[0]["result"] == result


def test_hook_has_no_previous(run, task):
    shown = _tasks(run, task(hook="success", previous=["a-task-id"]))[0]
    assert (shown["is_hook"], shown["previous"], shown["status"]) == (True, [], "pending")


@pytest.mark.parametrize(
    ("facts", "hook_status", "shown"),
    [
        ({"status": "running"}, "pending", False),
        ({"status": "running", "failing": True}, "pending", True),
        ({"status": "running", "failing": True}, "running", True),
        ({"status": "failed"}, "succeeded", True),
        ({"status": "succeeded"}, "skipped", False),
        ({"status": "cancelled"}, "cancelled", False),
        ({"status": "cancelled"}, "succeeded", True),
    ],
)
def test_failure_hook_is_shown_once_the_run_has_failed(run, task, facts, hook_status, shown):
    hook = task(hook="failure", status=hook_status)
    assert len(_tasks(run, hook, **facts)) == shown


def test_tasks_stand_in_the_order_of_the_plan(run, task):
    keys = [shown["key"] for shown in _tasks(run, task(key="B"), task(key="A"), task(key="C"))]
    assert keys == ["B", "A", "C"]


def test_definition_merges_names_with_the_file_whose_keys_take_precedence():
    flow = {
        "fullname": "example.ETL",
        "project": "example",
        "name": "ETL",
        "retired": False,
        "definition": {"tasks": ["EXTRACT"], "unknown": {"kept": True}, "name": "another"},
    }
    assert rendering.definition(flow) == {
        "fullname": "example.ETL",
        "project": "example",
        "name": "another",
        "tasks": ["EXTRACT"],
        "unknown": {"kept": True},
    }
