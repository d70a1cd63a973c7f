"""The facts of a run: given these events, a row shows this."""

from datetime import timedelta

import pytest

from events import types
from projections.documents.run import MAX_ENTRIES
from projections.read_models.executions import PROJECTION
from tests.projections.histories import History, at, at_us, run_id, shown

QUEUED = {
    "run_id": run_id(1),
    "run_number": 1,
    "tenant": "acme",
    "fullname": "example.ETL",
    "flow_version": 1,
    "flow_number": 7,
    "flow_ids": {"etlworks": {"flowId": 7}},
    "executor": "in_process",
    "status": "queued",
    "failing": False,
    "reason": None,
    "trigger": "on_demand",
    "started_by": "ops",
    "cancelled_by": None,
    "created_us": at_us(2),
    "started_us": None,
    "ended_us": None,
    "updated_us": at_us(2),
    "attempt": 1,
    "retry_of": None,
    "root_run": run_id(1),
    "root_run_number": 1,
    "payload": {"n": 1},
    "comment": None,
    "warnings": [],
    "error": None,
    "metrics": [],
    "tasks_succeeded": 0,
    "position": 2,
    "queued_position": 2,
}
NOTHING_TOLD = {"exception": None, "traceback": None, "statement": None, "line": None}


@pytest.fixture
def history() -> History:
    history = History()
    history.register()
    history.queue()
    return history


def test_a_queued_run_shows_what_it_was_started_with(history):
    assert shown(PROJECTION, history) == QUEUED


def test_a_retried_run_names_the_run_it_repeats_and_the_first_of_them():
    history = History()
    history.register()
    history.queue(
        attempt=3,
        retry_of=run_id(8),
        root_run=run_id(5),
        root_run_number=5,
        comment="again",
        trigger="retry",
    )

    assert shown(PROJECTION, history) == QUEUED | {
        "attempt": 3,
        "retry_of": run_id(8),
        "root_run": run_id(5),
        "root_run_number": 5,
        "comment": "again",
        "trigger": "retry",
    }


def test_a_claim_changes_nothing_but_the_position(history):
    history.tell(types.RUN_CLAIMED, worker="w-1", epoch=1)

    assert shown(PROJECTION, history) == QUEUED | {"position": 3}


def test_a_run_that_succeeds_shows_both_times_and_what_its_tasks_told(history):
    history.tell(types.RUN_STARTED)
    history.tell(types.TASK_STARTED, task="A", attempt=1)
    history.tell(
        types.TASK_OUTPUT_RECORDED, task="A", attempt=1, metrics={"rows": 5}, warnings=["late"]
    )
    history.tell(types.TASK_SUCCEEDED, task="A")
    history.tell(types.TASK_WARNED, task="B", warnings=["odd"])
    history.tell(types.RUN_WARNED)

    assert shown(PROJECTION, history) == QUEUED | {
        "status": "warned",
        "started_us": at_us(3),
        "ended_us": at_us(8),
        "updated_us": at_us(8),
        "warnings": ["late", "odd"],
        "metrics": [{"rows": 5, "task": "A"}],
        "tasks_succeeded": 2,
        "position": 8,
    }


def test_a_reporters_clock_is_shown_and_an_end_is_never_before_its_start(history):
    history.tell(types.RUN_STARTED, occurred_at=at(100))
    history.tell(types.RUN_SUCCEEDED, occurred_at=at(99))

    assert shown(PROJECTION, history) == QUEUED | {
        "status": "succeeded",
        "started_us": at_us(100),
        "ended_us": at_us(100),
        "updated_us": at_us(4),
        "position": 4,
    }


def test_a_run_that_never_started_ends_not_before_it_was_queued(history):
    history.tell(types.RUN_CANCELLED, occurred_at=at(2) - timedelta(hours=1), actor="ann")

    assert shown(PROJECTION, history) == QUEUED | {
        "status": "cancelled",
        "cancelled_by": "ann",
        "ended_us": at_us(2),
        "updated_us": at_us(3),
        "position": 3,
    }


def test_the_first_final_failure_is_the_runs_error_and_makes_it_failing(history):
    history.tell(types.RUN_STARTED)
    history.tell(
        types.TASK_FAILED, task="A", reason="error", will_retry=True, exception="first try"
    )
    history.tell(
        types.TASK_FAILED,
        task="A",
        reason="timeout",
        will_retry=False,
        exception="slow",
        statement="select 1",
        line=4,
    )
    history.tell(types.TASK_FAILED, task="B", reason="error", will_retry=False, exception="later")

    assert shown(PROJECTION, history) == QUEUED | {
        "status": "running",
        "failing": True,
        "started_us": at_us(3),
        "updated_us": at_us(5),
        "error": {
            "task": "A",
            "reason": "timeout",
            "exception": "slow",
            "traceback": None,
            "statement": "select 1",
            "line": 4,
        },
        "position": 6,
    }


def test_a_failed_run_keeps_the_failure_of_its_task_and_tells_its_own_reason(history):
    history.tell(types.RUN_STARTED)
    history.tell(types.TASK_FAILED, task="A", reason="lost", will_retry=False)
    history.tell(types.RUN_FAILED, reason="lost", exception="not shown: the task's was first")

    assert shown(PROJECTION, history) == QUEUED | {
        "status": "failed",
        "failing": True,
        "reason": "lost",
        "started_us": at_us(3),
        "ended_us": at_us(5),
        "updated_us": at_us(5),
        "error": {"task": "A", "reason": "lost", **NOTHING_TOLD},
        "position": 5,
    }


def test_a_run_that_fails_by_itself_is_its_own_error(history):
    history.tell(types.RUN_FAILED, reason="timeout", exception="an hour is over")

    assert shown(PROJECTION, history)["error"] == {
        "task": None,
        "reason": "timeout",
        **NOTHING_TOLD,
        "exception": "an hour is over",
    }


def test_a_cancel_names_who_asked_first_and_starting_does_not_undo_it(history):
    history.tell(types.RUN_CANCEL_REQUESTED, actor="ann", force=False)
    history.tell(types.RUN_STARTED)
    history.tell(types.RUN_CANCEL_REQUESTED, actor="bob", force=True)

    assert shown(PROJECTION, history) == QUEUED | {
        "status": "cancelling",
        "cancelled_by": "ann",
        "started_us": at_us(4),
        "updated_us": at_us(3),
        "position": 5,
    }


@pytest.mark.parametrize(
    "late",
    [
        (types.RUN_STARTED, {}),
        (types.RUN_FAILED, {"reason": "error"}),
        (types.RUN_CANCEL_REQUESTED, {"force": True}),
        (types.TASK_FAILED, {"task": "A", "will_retry": False}),
        (types.TASK_SUCCEEDED, {"task": "A", "warnings": ["late"]}),
        (types.REPORT_REFUSED, {"type": "RunStarted", "reason": "ended"}),
        (types.CORRECTION_RECORDED, {"position": 3}),
    ],
)
def test_nothing_changes_a_run_that_has_ended_but_its_position(history, late):
    history.tell(types.RUN_SUCCEEDED)
    ended = shown(PROJECTION, history)
    kind, data = late
    history.tell(kind, **data)

    assert shown(PROJECTION, history) == ended | {"position": 4}


def test_a_tasks_last_metrics_are_shown_once(history):
    history.tell(types.TASK_OUTPUT_RECORDED, task="A", metrics={"rows": 1, "task": "mine"})
    history.tell(types.TASK_OUTPUT_RECORDED, task="B", metrics={"rows": 2})
    history.tell(types.TASK_SUCCEEDED, task="A", metrics={"rows": 3})

    assert shown(PROJECTION, history)["metrics"] == [
        {"rows": 2, "task": "B"},
        {"rows": 3, "task": "A"},
    ]


def test_a_row_keeps_no_more_than_a_thousand_warnings(history):
    history.tell(
        types.TASK_OUTPUT_RECORDED, task="A", warnings=[str(n) for n in range(MAX_ENTRIES + 1)]
    )

    assert shown(PROJECTION, history)["warnings"] == [str(n) for n in range(MAX_ENTRIES)]


def test_what_a_reporter_sends_in_another_form_is_shown_plainly(history):
    history.tell(
        types.TASK_FAILED,
        task="A",
        reason=["odd"],
        exception={"code": 7},
        line=True,
        warnings="one",
        metrics=[1, 2],
        more={"kept": "in the event"},
    )

    run = shown(PROJECTION, history)
    assert (run["warnings"], run["metrics"]) == (["one"], [{"value": [1, 2], "task": "A"}])
    assert run["error"] == {
        "task": "A",
        "reason": "error",
        **NOTHING_TOLD,
        "exception": '{"code":7}',
    }
