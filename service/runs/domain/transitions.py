"""The transition tables: which events a run or a task allows, and the status after each.

``docs/reference/states.md`` shows these tables; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from events.bodies import TaskBody, TaskFailed
from events.types import (
    CORRECTION_RECORDED,
    REPORT_REFUSED,
    RUN_CANCEL_REQUESTED,
    RUN_CANCELLED,
    RUN_CLAIMED,
    RUN_FAILED,
    RUN_QUEUED,
    RUN_STARTED,
    RUN_SUCCEEDED,
    RUN_TYPES,
    RUN_UNLISTED,
    RUN_WARNED,
    TASK_CANCELLED,
    TASK_ENDS,
    TASK_FAILED,
    TASK_OUTPUT_RECORDED,
    TASK_SKIPPED,
    TASK_STARTED,
    TASK_TYPES,
)
from projections.documents.lifecycle import (
    TASK_STATUS_AFTER,
    RunStatus,
    is_final,
    run_status_after,
)

InternalTaskStatus = Literal[
    "pending", "running", "retrying", "succeeded", "warned", "failed", "cancelled", "skipped"
]
"""``retrying`` is the time between two attempts; outside the decider it is shown as running."""

TaskChange = Literal[
    "TaskStarted",
    "TaskSucceeded",
    "TaskWarned",
    "TaskFailed",
    "TaskFailed, will retry",
    "TaskFailed, lost, will retry",
    "TaskCancelled",
    "TaskSkipped",
    "TaskOutputRecorded",
]
"""A task event's type, with those members of its body that decide the status after it."""

FAILED_WILL_RETRY: Final = "TaskFailed, will retry"
LOST_WILL_RETRY: Final = "TaskFailed, lost, will retry"

_WITHOUT_EFFECT: Final = (REPORT_REFUSED, CORRECTION_RECORDED)
_ENDS: Final = (RUN_SUCCEEDED, RUN_WARNED, RUN_FAILED, RUN_CANCELLED)


def _allows(status: RunStatus, *types: str) -> Mapping[str, RunStatus]:
    return {type_: run_status_after(status, type_) for type_ in (*types, *_WITHOUT_EFFECT)}


RUN_TRANSITIONS: Final[Mapping[RunStatus, Mapping[str, RunStatus]]] = {
    "queued": _allows(
        "queued",
        RUN_CLAIMED,
        RUN_STARTED,
        RUN_CANCEL_REQUESTED,
        RUN_FAILED,
        RUN_CANCELLED,
        TASK_SKIPPED,
        TASK_CANCELLED,
    ),
    "running": _allows("running", RUN_CLAIMED, RUN_CANCEL_REQUESTED, *_ENDS, *TASK_TYPES),
    "cancelling": _allows(
        "cancelling", RUN_CLAIMED, RUN_STARTED, RUN_CANCEL_REQUESTED, *_ENDS, *TASK_TYPES
    ),
    "succeeded": _allows("succeeded", RUN_UNLISTED),
    "warned": _allows("warned", RUN_UNLISTED),
    "failed": _allows("failed", RUN_UNLISTED),
    "cancelled": _allows("cancelled", RUN_UNLISTED),
}
"""For each status of a run the events it allows, and the status after each.

`RunQueued` is not in it: it is the first event of every run and never a later one.
"""

_TASK_STATUS_AFTER: Final[Mapping[str, InternalTaskStatus]] = {
    **TASK_STATUS_AFTER,
    FAILED_WILL_RETRY: "retrying",
    LOST_WILL_RETRY: "pending",
}


def _task_allows(status: InternalTaskStatus, *changes: str) -> Mapping[str, InternalTaskStatus]:
    ends = (*TASK_ENDS, FAILED_WILL_RETRY)
    return {TASK_OUTPUT_RECORDED: status} | {
        change: _TASK_STATUS_AFTER[change] for change in (*ends, *changes)
    }


TASK_TRANSITIONS: Final[Mapping[InternalTaskStatus, Mapping[str, InternalTaskStatus]]] = {
    "pending": _task_allows("pending", TASK_STARTED),
    "running": _task_allows("running", LOST_WILL_RETRY),
    "retrying": _task_allows("retrying", TASK_STARTED, LOST_WILL_RETRY),
    "succeeded": {},
    "warned": {},
    "failed": {},
    "cancelled": {},
    "skipped": {},
}
"""For each status of a task the changes it allows, and the status after each."""

RUN_EVENTS: Final = RUN_TYPES | TASK_TYPES
"""The event types of a run's stream."""


def task_change(type_: str, body: Any) -> str:  # noqa: ANN401 - of any task event
    """Name the change of a task event: its type, unless the task will be retried.

    >>> task_change("TaskFailed", {"task": "LOAD", "reason": "lost", "will_retry": True})
    'TaskFailed, lost, will retry'
    """
    if type_ != TASK_FAILED:
        return type_
    failed: TaskFailed = body
    if is_final(failed):
        return type_
    return LOST_WILL_RETRY if failed["reason"] == "lost" else FAILED_WILL_RETRY


def next_run_status(status: RunStatus | None, type_: str) -> RunStatus | None:
    """Look up a run's status after an event; None if its status does not allow the event.

    The status None is that of a run without events.

    >>> next_run_status("queued", "RunStarted")
    'running'
    >>> next_run_status("failed", "RunStarted")
    """
    if status is None:
        return "queued" if type_ == RUN_QUEUED else None
    return RUN_TRANSITIONS[status].get(type_)


def next_task_status(
    status: InternalTaskStatus, type_: str, body: TaskBody
) -> InternalTaskStatus | None:
    """Look up a task's status after an event; None if its status does not allow the event."""
    return TASK_TRANSITIONS[status].get(task_change(type_, body))
