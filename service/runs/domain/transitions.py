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
    TASK_FAILED,
    TASK_OUTPUT_RECORDED,
    TASK_SKIPPED,
    TASK_STARTED,
    TASK_SUCCEEDED,
    TASK_TYPES,
    TASK_WARNED,
)

RunStatus = Literal["queued", "running", "cancelling", "succeeded", "warned", "failed", "cancelled"]
TaskStatus = Literal[
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

RUN_ENDED: Final[frozenset[RunStatus]] = frozenset({"succeeded", "warned", "failed", "cancelled"})
TASK_ENDED: Final[frozenset[TaskStatus]] = frozenset(
    {"succeeded", "warned", "failed", "cancelled", "skipped"}
)

_WITHOUT_EFFECT: Final = (REPORT_REFUSED, CORRECTION_RECORDED)


def _stays(
    status: RunStatus, *types: str, changes: Mapping[str, RunStatus] | None = None
) -> Mapping[str, RunStatus]:
    return {**dict.fromkeys((*types, *_WITHOUT_EFFECT), status), **(changes or {})}


RUN_TRANSITIONS: Final[Mapping[RunStatus, Mapping[str, RunStatus]]] = {
    "queued": _stays(
        "queued",
        RUN_CLAIMED,
        TASK_SKIPPED,
        changes={
            RUN_STARTED: "running",
            RUN_CANCEL_REQUESTED: "cancelling",
            RUN_FAILED: "failed",
            RUN_CANCELLED: "cancelled",
            TASK_CANCELLED: "queued",
        },
    ),
    "running": _stays(
        "running",
        RUN_CLAIMED,
        *TASK_TYPES,
        changes={
            RUN_CANCEL_REQUESTED: "cancelling",
            RUN_SUCCEEDED: "succeeded",
            RUN_WARNED: "warned",
            RUN_FAILED: "failed",
            RUN_CANCELLED: "cancelled",
        },
    ),
    "cancelling": _stays(
        "cancelling",
        RUN_CLAIMED,
        RUN_STARTED,
        RUN_CANCEL_REQUESTED,
        *TASK_TYPES,
        changes={
            RUN_SUCCEEDED: "succeeded",
            RUN_WARNED: "warned",
            RUN_FAILED: "failed",
            RUN_CANCELLED: "cancelled",
        },
    ),
    "succeeded": _stays("succeeded", RUN_UNLISTED),
    "warned": _stays("warned", RUN_UNLISTED),
    "failed": _stays("failed", RUN_UNLISTED),
    "cancelled": _stays("cancelled", RUN_UNLISTED),
}
"""For each status of a run the events it allows, and the status after each.

`RunQueued` is not in it: it is the first event of every run and never a later one.
"""

_TASK_OPEN: Final[Mapping[TaskChange, TaskStatus]] = {
    TASK_SUCCEEDED: "succeeded",
    TASK_WARNED: "warned",
    TASK_FAILED: "failed",
    FAILED_WILL_RETRY: "retrying",
    TASK_CANCELLED: "cancelled",
    TASK_SKIPPED: "skipped",
}

TASK_TRANSITIONS: Final[Mapping[TaskStatus, Mapping[TaskChange, TaskStatus]]] = {
    "pending": {**_TASK_OPEN, TASK_STARTED: "running", TASK_OUTPUT_RECORDED: "pending"},
    "running": {**_TASK_OPEN, LOST_WILL_RETRY: "pending", TASK_OUTPUT_RECORDED: "running"},
    "retrying": {
        **_TASK_OPEN,
        TASK_STARTED: "running",
        LOST_WILL_RETRY: "pending",
        TASK_OUTPUT_RECORDED: "retrying",
    },
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
    if not failed["will_retry"]:
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


def next_task_status(status: TaskStatus, type_: str, body: TaskBody) -> TaskStatus | None:
    """Look up a task's status after an event; None if its status does not allow the event."""
    row: Mapping[Any, TaskStatus] = TASK_TRANSITIONS[status]
    return row.get(task_change(type_, body))
