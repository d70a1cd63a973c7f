"""The transition tables, all of them, and the page that shows them."""

from pathlib import Path
from typing import get_args

import pytest

from events import types
from projections.documents.lifecycle import RUN_ENDED, TASK_ENDED, RunStatus
from service.runs.domain import transitions
from service.runs.domain.transitions import (
    RUN_EVENTS,
    RUN_TRANSITIONS,
    TASK_TRANSITIONS,
    InternalTaskStatus,
    TaskChange,
    next_run_status,
    next_task_status,
    task_change,
)

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "states.md"
NOTES = {"ReportRefused", "CorrectionRecorded"}
MOVES = {
    "queued": {
        "RunClaimed": "queued",
        "RunStarted": "running",
        "RunCancelRequested": "cancelling",
        "RunFailed": "failed",
        "RunCancelled": "cancelled",
        "TaskSkipped": "queued",
        "TaskCancelled": "queued",
    },
    "running": {
        "RunClaimed": "running",
        "RunCancelRequested": "cancelling",
        "RunSucceeded": "succeeded",
        "RunWarned": "warned",
        "RunFailed": "failed",
        "RunCancelled": "cancelled",
    }
    | dict.fromkeys(types.TASK_TYPES, "running"),
    "cancelling": {
        "RunClaimed": "cancelling",
        "RunStarted": "cancelling",
        "RunCancelRequested": "cancelling",
        "RunSucceeded": "succeeded",
        "RunWarned": "warned",
        "RunFailed": "failed",
        "RunCancelled": "cancelled",
    }
    | dict.fromkeys(types.TASK_TYPES, "cancelling"),
}
OPEN_TASK = {
    "TaskSucceeded": "succeeded",
    "TaskWarned": "warned",
    "TaskFailed": "failed",
    "TaskFailed, will retry": "retrying",
    "TaskCancelled": "cancelled",
    "TaskSkipped": "skipped",
}
TASK_MOVES = {
    "pending": OPEN_TASK | {"TaskStarted": "running", "TaskOutputRecorded": "pending"},
    "running": OPEN_TASK
    | {"TaskOutputRecorded": "running", "TaskFailed, lost, will retry": "pending"},
    "retrying": OPEN_TASK
    | {
        "TaskStarted": "running",
        "TaskOutputRecorded": "retrying",
        "TaskFailed, lost, will retry": "pending",
    },
}


@pytest.mark.parametrize("type_", sorted(RUN_EVENTS))
@pytest.mark.parametrize("status", get_args(RunStatus))
def test_run_transitions_are_those_of_the_design(status, type_):
    if type_ in NOTES:
        expected = status
    elif status in RUN_ENDED:
        expected = status if type_ == "RunUnlisted" else None
    else:
        expected = MOVES[status].get(type_)
    assert next_run_status(status, type_) == expected


@pytest.mark.parametrize("type_", sorted(RUN_EVENTS))
def test_run_begins_with_run_queued_only(type_):
    assert next_run_status(None, type_) == ("queued" if type_ == "RunQueued" else None)


@pytest.mark.parametrize("what", get_args(TaskChange))
@pytest.mark.parametrize("status", get_args(InternalTaskStatus))
def test_task_transitions_are_those_of_the_design(status, what):
    type_, _, how = what.partition(", ")
    data = {"will_retry": bool(how), "reason": "lost" if "lost" in how else "error"}
    assert task_change(type_, data) == what
    assert next_task_status(status, type_, data) == TASK_MOVES.get(status, {}).get(what)


def test_no_transition_leaves_a_terminal_status():
    assert all(set(RUN_TRANSITIONS[status].values()) == {status} for status in RUN_ENDED)
    assert not any(TASK_TRANSITIONS[status] for status in TASK_ENDED)


def test_tables_have_every_status():
    assert tuple(RUN_TRANSITIONS) == get_args(RunStatus)
    assert tuple(TASK_TRANSITIONS) == get_args(InternalTaskStatus)


def test_states_page_shows_these_tables():
    page = PAGE.read_text(encoding="utf-8")
    run_rows = sorted(RUN_EVENTS - NOTES - {"RunQueued"})
    for table in (
        markdown(RUN_TRANSITIONS, run_rows),
        markdown(TASK_TRANSITIONS, get_args(TaskChange)),
    ):
        assert table in page, f"docs/reference/states.md does not hold this table:\n\n{table}"


def markdown(table, rows):
    """A table of Markdown: a row an event, a column a state, a cell where it leads."""
    lines = [
        "| | " + " | ".join(table) + " |",
        "|---|" + "---|" * len(table),
        *(
            f"| {row} | " + " | ".join(table[state].get(row, "") for state in table) + " |"
            for row in rows
        ),
    ]
    return "\n".join(lines)


def test_tables_cover_every_run_and_task_event_type():
    assert {type_ for row in transitions.RUN_TRANSITIONS.values() for type_ in row} == (
        RUN_EVENTS - {"RunQueued"}
    )
