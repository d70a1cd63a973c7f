"""A run in full with its tasks, and the flows of a catalogue."""

from uuid import UUID, uuid5

import pytest

from events import types
from projections.read_models.executions import PROJECTION as EXECUTIONS
from projections.read_models.workflows import PROJECTION
from tests.projections.histories import (
    CHAIN,
    GROUPED,
    ONE,
    TENANT,
    History,
    at,
    at_us,
    fold_all,
    run_id,
    shown,
)

PENDING = {
    "previous": [],
    "groups": [],
    "hook": None,
    "status": "pending",
    "attempt": 0,
    "created_us": at_us(2),
    "started_us": None,
    "ended_us": None,
    "updated_us": at_us(2),
    "result": None,
    "error": None,
    "warnings": [],
    "metrics": {},
    "log": None,
}
FAILURE = {"exception": "no", "traceback": "at 1", "statement": None, "line": 3}


def task_id(path):
    return str(uuid5(UUID(run_id(1)), path))


def pending(path, **more):
    return {"id": task_id(path), "path": path, "key": path} | PENDING | more


@pytest.fixture
def history() -> History:
    history = History()
    history.register(plan=CHAIN)
    history.queue()
    return history


def tasks(history):
    return {task["path"]: task for task in shown(PROJECTION, history)["tasks"]}


def test_a_queued_run_shows_its_facts_and_every_task_in_the_plans_order(history):
    assert shown(PROJECTION, history) == {
        **shown(EXECUTIONS, history),
        "tasks": [
            pending("A"),
            pending("B", previous=[task_id("A")]),
            pending("OK", hook="success"),
        ],
    }


def test_a_task_in_a_group_names_the_groups_around_it():
    history = History()
    history.register(plan=GROUPED)
    history.queue()

    assert tasks(history)["G/X"] == pending(
        "G/X", key="X", groups=["G"], previous=[task_id("FIRST")]
    )


def test_a_task_shows_its_attempt_its_times_and_its_output(history):
    history.tell(types.TASK_STARTED, task="A", attempt=1, occurred_at=at(10))
    history.tell(
        types.TASK_OUTPUT_RECORDED,
        task="A",
        attempt=1,
        result={"rows": [1]},
        metrics={"rows": 1},
        warnings=["w"],
        log="done\n",
    )
    history.tell(types.TASK_SUCCEEDED, task="A", occurred_at=at(11))

    assert tasks(history)["A"] == pending(
        "A",
        status="succeeded",
        attempt=1,
        started_us=at_us(10),
        ended_us=at_us(11),
        updated_us=at_us(5),
        result={"rows": [1]},
        metrics={"rows": 1},
        warnings=["w"],
        log="done\n",
    )


def test_a_task_that_will_be_tried_again_is_still_running_and_tells_why(history):
    history.tell(types.TASK_STARTED, task="A", attempt=1)
    history.tell(types.TASK_FAILED, task="A", reason="error", will_retry=True, **FAILURE)

    assert tasks(history)["A"] == pending(
        "A",
        status="running",
        attempt=1,
        started_us=at_us(3),
        updated_us=at_us(4),
        error={"reason": "error", **FAILURE},
    )


def test_a_second_attempt_that_succeeds_clears_the_error_and_keeps_the_first_start(history):
    history.tell(types.TASK_STARTED, task="A", attempt=1)
    history.tell(types.TASK_FAILED, task="A", reason="error", will_retry=True, **FAILURE)
    history.tell(types.TASK_STARTED, task="A", attempt=2)
    history.tell(types.TASK_SUCCEEDED, task="A")

    assert tasks(history)["A"] == pending(
        "A",
        status="succeeded",
        attempt=2,
        started_us=at_us(3),
        ended_us=at_us(6),
        updated_us=at_us(6),
    )


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (types.TASK_WARNED, "warned"),
        (types.TASK_CANCELLED, "cancelled"),
        (types.TASK_SKIPPED, "skipped"),
    ],
)
def test_a_task_ends_as_it_was_told(history, kind, status):
    history.tell(kind, task="B")

    assert tasks(history)["B"] == pending(
        "B",
        previous=[task_id("A")],
        status=status,
        ended_us=at_us(3),
        updated_us=at_us(3),
    )


def test_a_task_that_is_not_in_the_plan_is_refused(history):
    history.tell(types.TASK_STARTED, task="NOWHERE")

    with pytest.raises(KeyError, match="NOWHERE"):
        shown(PROJECTION, history)


def test_a_flow_shows_its_newest_version_without_the_plan():
    history = History()
    history.register(plan=ONE)
    history.register(plan=ONE, version=2, definition={"tasks": ["B"]})

    assert fold_all(PROJECTION, history.events, history) == {
        ("flow", TENANT, "example.ETL"): {
            "fullname": "example.ETL",
            "project": "example",
            "name": "ETL",
            "version": 2,
            "number": 7,
            "executor": "in_process",
            "exclusive": False,
            "timeout_s": None,
            "ids": {"etlworks": {"flowId": 7}},
            "definition": {"tasks": ["B"]},
            "tenant": TENANT,
            "retired": False,
            "created_us": at_us(1),
            "updated_us": at_us(2),
            "position": 2,
        }
    }


def test_a_retired_flow_is_kept_and_comes_back_with_its_next_version():
    history = History()
    history.register(plan=ONE)
    history.retire()
    key = ("flow", TENANT, "example.ETL")

    retired = fold_all(PROJECTION, history.events, history)[key]
    history.register(plan=ONE, version=2)
    back = fold_all(PROJECTION, history.events, history)[key]

    assert (retired["retired"], retired["version"], retired["updated_us"]) == (True, 1, at_us(2))
    assert (back["retired"], back["version"], back["created_us"]) == (False, 2, at_us(1))
