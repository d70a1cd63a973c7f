"""What the ledger knows of a run, folded from its events: the part that read models share.

The folds take the event (and, for `new_run`, the flow) and nothing else, so the same events give
the same document in every process. They change the document they are given: the fold owns it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NotRequired, TypedDict

from events import types
from events.bodies import (
    Executor,
    FailureReason,
    ReusedTask,
    RunCancelled,
    RunCancelRequested,
    RunEndBody,
    RunFailed,
    RunQueued,
    RunStarted,
    TaskBody,
    TaskFailed,
    Trigger,
)
from events.envelope import Event
from projections.documents.flow import Flow
from projections.documents.lifecycle import (
    RUN_ENDED,
    RUN_STATUS_AFTER,
    TASK_SUCCESSES,
    RunStatus,
    is_final,
)
from projections.documents.report_values import Failure, failure, mapping, reason_of, texts

MAX_ENTRIES: Final = 1000
"""Warnings, and entries of metrics, that a run's document keeps; its tasks keep all of theirs."""


class RunFailure(Failure):
    """A run's first final failure; ``task`` is a path, or None when the run itself failed."""

    task: str | None


class RunSummary(TypedDict):
    """A run's status: the least that every read model shows of it.

    ``position`` is that of the last event folded. A task with warnings counts as succeeded.
    """

    status: RunStatus
    failing: bool
    tasks_succeeded: int
    position: int


class RunDocument(RunSummary):
    """What every document of a run holds. Times are microseconds since 1970, UTC.

    ``started_us`` and ``ended_us`` are by the reporter's clock where it gave one; a run never ends
    before it starts. ``updated_us`` moves with status and ``failing`` only.
    ``project`` is there only where it does not end at the first dot of ``fullname``.
    """

    run_id: str
    run_number: int
    tenant: str
    fullname: str
    flow_version: int
    flow_number: int
    flow_ids: Mapping[str, Mapping[str, Any]]
    executor: Executor
    reason: FailureReason | None
    trigger: Trigger
    started_by: str
    cancelled_by: str | None
    created_us: int
    started_us: int | None
    ended_us: int | None
    updated_us: int
    attempt: int
    retry_of: str | None
    root_run: str
    root_run_number: int
    payload: Any
    comment: str | None
    project: NotRequired[str]
    warnings: list[str]
    error: RunFailure | None
    queued_position: int


class ExecutionDocument(RunDocument):
    """A document of `executions`: a run in full, without its tasks.

    ``metrics`` has one entry a task, its last, with the task's path under ``task``.
    """

    metrics: list[dict[str, Any]]


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Give a time as whole microseconds since 1970.

    >>> micros(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC))
    1000005
    """
    return (moment - _EPOCH) // _MICROSECOND


def occurred_us(event: Event) -> int:
    """Give the time of what an event reports: by the reporter's clock, else by the ledger's."""
    return micros(event.occurred_at or event.recorded_at)


def reused_tasks(body: RunQueued) -> Sequence[ReusedTask]:
    """List the tasks of a new run that a retry does not run again."""
    return body.get("carried", ())


def new_run(event: Event, flow: Flow) -> ExecutionDocument:
    """Make a run's document from its `RunQueued` and the flow version that it names."""
    body: RunQueued = event.data
    now = micros(event.recorded_at)
    run: ExecutionDocument = {
        "run_id": body["run_id"],
        "run_number": body["run_number"],
        "tenant": event.tenant,
        "fullname": body["flow"],
        "flow_version": body["flow_version"],
        "flow_number": flow.number,
        "flow_ids": flow.ids,
        "executor": body["executor"],
        "status": "queued",
        "failing": False,
        "reason": None,
        "trigger": body["trigger"],
        "started_by": body["started_by"],
        "cancelled_by": None,
        "created_us": now,
        "started_us": None,
        "ended_us": None,
        "updated_us": now,
        "attempt": body["attempt"],
        "retry_of": body["retry_of"],
        "root_run": body["root_run"],
        "root_run_number": body["root_run_number"],
        "payload": body["payload"],
        "comment": body["comment"],
        "warnings": [],
        "error": None,
        "metrics": [],
        "tasks_succeeded": len(reused_tasks(body)),
        "position": event.position,
        "queued_position": event.position,
    }
    if "project" in body:
        run["project"] = body["project"]
    return run


def apply_status(run: RunSummary, event: Event) -> bool:
    """Fold an event into a run's summary; tell whether status or ``failing`` changed."""
    type_, status = event.type, run["status"]
    run["position"] = event.position
    # The table itself: to call `run_status_after` for each event slows every fold by some 5 %.
    if after := RUN_STATUS_AFTER[status].get(type_):
        run["status"] = after
        return after != status
    if status in RUN_ENDED:
        return False
    if type_ in TASK_SUCCESSES:
        run["tasks_succeeded"] += 1
    elif type_ == types.TASK_FAILED and not run["failing"] and is_final(event.data):
        run["failing"] = True
        return True
    return False


def apply_event(run: ExecutionDocument, event: Event) -> None:
    """Fold an event after `RunQueued` into a run; of an ended run only its position changes."""
    ended = run["status"] in RUN_ENDED
    if apply_status(run, event):
        run["updated_us"] = micros(event.recorded_at)
    if not ended and (fold := _FOLDS.get(event.type)):
        fold(run, event, event.data)


def _start(run: ExecutionDocument, event: Event, _: RunStarted) -> None:
    if run["started_us"] is None:
        run["started_us"] = occurred_us(event)


def _request_cancel(
    run: ExecutionDocument, event: Event, _: RunCancelRequested | RunCancelled
) -> None:
    if run["cancelled_by"] is None:
        run["cancelled_by"] = event.actor


def _end(run: ExecutionDocument, event: Event, body: RunEndBody) -> None:
    run["ended_us"] = max(occurred_us(event), run["started_us"] or run["created_us"])
    _keep(run, None, body)


def _fail(run: ExecutionDocument, event: Event, body: RunFailed) -> None:
    _end(run, event, body)
    run["reason"] = reason_of(body)
    if run["error"] is None:
        run["error"] = {"task": None, **failure(body)}


def _cancel(run: ExecutionDocument, event: Event, body: RunCancelled) -> None:
    _end(run, event, body)
    _request_cancel(run, event, body)


def _fail_task(run: ExecutionDocument, event: Event, body: TaskFailed) -> None:
    _keep_of_task(run, event, body)
    if run["error"] is None and is_final(body):
        run["error"] = {"task": body["task"], **failure(body)}


def _keep_of_task(run: ExecutionDocument, _: Event, body: TaskBody) -> None:
    if len(body) > 1:
        _keep(run, body["task"], body)


def _keep(run: ExecutionDocument, task: str | None, body: RunEndBody | TaskBody) -> None:
    if warnings := body.get("warnings"):
        run["warnings"] = (run["warnings"] + texts(warnings))[:MAX_ENTRIES]
    if metrics := body.get("metrics"):
        others = [entry for entry in run["metrics"] if entry["task"] != task]
        run["metrics"] = [*others, {**mapping(metrics), "task": task}][:MAX_ENTRIES]


_FOLDS: Final[Mapping[str, Callable[[ExecutionDocument, Event, Any], None]]] = {
    types.RUN_STARTED: _start,
    types.RUN_CANCEL_REQUESTED: _request_cancel,
    types.RUN_SUCCEEDED: _end,
    types.RUN_WARNED: _end,
    types.RUN_FAILED: _fail,
    types.RUN_CANCELLED: _cancel,
    types.TASK_SUCCEEDED: _keep_of_task,
    types.TASK_WARNED: _keep_of_task,
    types.TASK_FAILED: _fail_task,
    types.TASK_CANCELLED: _keep_of_task,
    types.TASK_SKIPPED: _keep_of_task,
    types.TASK_OUTPUT_RECORDED: _keep_of_task,
}
