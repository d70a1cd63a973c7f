"""The lifecycle of a run and of its tasks: their statuses, and the status after each event.

The decider, the documents and the read models fold by these functions. Which events a status allows
is the decider's to know: `service.runs.domain.transitions`.

A status is a text that mypy checks, not an enum: a document read from its row has texts, and enum
members cost a fold and the JSON of a document more time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from events import types
from events.bodies import TaskFailed

RunStatus = Literal["queued", "running", "cancelling", "succeeded", "warned", "failed", "cancelled"]
TaskStatus = Literal["pending", "running", "succeeded", "warned", "failed", "cancelled", "skipped"]

RUN_ENDED: Final[frozenset[RunStatus]] = frozenset({"succeeded", "warned", "failed", "cancelled"})
"""The statuses that no event leaves."""

TASK_ENDED: Final[frozenset[TaskStatus]] = frozenset(
    {"succeeded", "warned", "failed", "cancelled", "skipped"}
)
"""The statuses that no event leaves."""

TASK_SUCCESSES: Final = frozenset({types.TASK_SUCCEEDED, types.TASK_WARNED})
"""The events by which a task has done its work."""

_OPEN_RUN: Final[Mapping[str, RunStatus]] = {
    types.RUN_STARTED: "running",
    types.RUN_CANCEL_REQUESTED: "cancelling",
    types.RUN_SUCCEEDED: "succeeded",
    types.RUN_WARNED: "warned",
    types.RUN_FAILED: "failed",
    types.RUN_CANCELLED: "cancelled",
}
RUN_STATUS_AFTER: Final[Mapping[RunStatus, Mapping[str, RunStatus]]] = {
    "queued": _OPEN_RUN,
    "running": _OPEN_RUN,
    "cancelling": {**_OPEN_RUN, types.RUN_STARTED: "cancelling"},
    "succeeded": {},
    "warned": {},
    "failed": {},
    "cancelled": {},
}
"""For each status of a run the status after each event type; any other event changes none."""

TASK_STATUS_AFTER: Final[Mapping[str, TaskStatus]] = {
    types.TASK_STARTED: "running",
    types.TASK_SUCCEEDED: "succeeded",
    types.TASK_WARNED: "warned",
    types.TASK_FAILED: "failed",
    types.TASK_CANCELLED: "cancelled",
    types.TASK_SKIPPED: "skipped",
}
"""The status of a task after each event type; after a `TaskFailed` that is final."""


def run_status_after(status: RunStatus, type_: str) -> RunStatus:
    """Give a run's status after an event of its stream; an ended run stays as it is.

    >>> run_status_after("queued", "RunStarted"), run_status_after("cancelling", "RunStarted")
    ('running', 'cancelling')
    """
    return RUN_STATUS_AFTER[status].get(type_, status)


def task_status_after(type_: str, body: TaskFailed) -> TaskStatus | None:
    """Give a task's status after an event of its run; None: the event changes none.

    Only of a `TaskFailed` the body counts: a failed attempt that is not the last leaves the task
    running.

    >>> task_status_after("TaskFailed", {"task": "A", "reason": "lost", "will_retry": True})
    'running'
    """
    if type_ == types.TASK_FAILED and not is_final(body):
        return "running"
    return TASK_STATUS_AFTER.get(type_)


def is_final(failure: TaskFailed) -> bool:
    """Tell whether a task has failed for good; if not, another attempt follows."""
    return not failure.get("will_retry")
