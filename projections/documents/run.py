"""What the ledger knows of a run, folded from its events: the ground of all read models.

The folds take the event (and, for `queued`, the flow) and nothing else, so the same events give the
same facts everywhere and always. They change the document they are given: it belongs to the fold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NotRequired, TypedDict

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
from projections.documents.report_values import Failure, failure, mapping, reason_of, texts

RunStatus = Literal["queued", "running", "cancelling", "succeeded", "warned", "failed", "cancelled"]

ENDED: Final = frozenset({"succeeded", "warned", "failed", "cancelled"})
"""The states that no event leaves."""

MANY: Final = 1000
"""Warnings and metrics kept in a run's facts; its tasks keep their own beyond that."""


class RunFailure(Failure):
    """A run's first final failure; ``task`` is a path, or None when the run itself failed."""

    task: str | None


class Standing(TypedDict):
    """Where a run stands: the least that every read model shows of it.

    ``position`` is that of the last event folded. A task with warnings counts as succeeded.
    """

    status: RunStatus
    failing: bool
    tasks_succeeded: int
    position: int


class RunFacts(Standing):
    """All that a row about a run shows. Times are microseconds since 1970, UTC.

    Started and ended are the reporter's clock where it told; an end is never before its start.
    ``updated_us`` moves with status and ``failing`` only, as Celery Director's `updated` does.
    ``metrics`` has one entry a task, its last, with the task's path under ``task``. ``project`` is
    there only where the run's starter had it end elsewhere than at the first dot of ``fullname``.
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
    metrics: list[dict[str, Any]]
    queued_position: int


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_RUN_STATUS: Final[Mapping[str, RunStatus]] = {
    types.RUN_STARTED: "running",
    types.RUN_CANCEL_REQUESTED: "cancelling",
    types.RUN_SUCCEEDED: "succeeded",
    types.RUN_WARNED: "warned",
    types.RUN_FAILED: "failed",
    types.RUN_CANCELLED: "cancelled",
}
SUCCESSES: Final = frozenset({types.TASK_SUCCEEDED, types.TASK_WARNED})
"""Ends of a task that did its work."""


def micros(moment: datetime) -> int:
    """Give a time as whole microseconds since 1970.

    >>> micros(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC))
    1000005
    """
    return (moment - _EPOCH) // _MICROSECOND


def happened(event: Event) -> int:
    """Give the moment an event is about: the reporter's where it told, else the ledger's."""
    return micros(event.occurred_at or event.recorded_at)


def carried(body: RunQueued) -> Sequence[ReusedTask]:
    """Read off the body of a `RunQueued` which tasks are done from the beginning."""
    return body.get("carried", ())


def queued(event: Event, flow: Flow) -> RunFacts:
    """Begin a run's facts from its `RunQueued` and the flow version that it names."""
    data: RunQueued = event.data
    now = micros(event.recorded_at)
    facts: RunFacts = {
        "run_id": data["run_id"],
        "run_number": data["run_number"],
        "tenant": event.tenant,
        "fullname": data["flow"],
        "flow_version": data["flow_version"],
        "flow_number": flow.number,
        "flow_ids": flow.ids,
        "executor": data["executor"],
        "status": "queued",
        "failing": False,
        "reason": None,
        "trigger": data["trigger"],
        "started_by": data["started_by"],
        "cancelled_by": None,
        "created_us": now,
        "started_us": None,
        "ended_us": None,
        "updated_us": now,
        "attempt": data["attempt"],
        "retry_of": data["retry_of"],
        "root_run": data["root_run"],
        "root_run_number": data["root_run_number"],
        "payload": data["payload"],
        "comment": data["comment"],
        "warnings": [],
        "error": None,
        "metrics": [],
        "tasks_succeeded": len(carried(data)),
        "position": event.position,
        "queued_position": event.position,
    }
    if "project" in data:
        facts["project"] = data["project"]
    return facts


def stand(run: Standing, event: Event) -> bool:
    """Fold an event into a run's standing; tell whether status or ``failing`` changed."""
    run["position"] = event.position
    if run["status"] in ENDED:
        return False
    if status := _RUN_STATUS.get(event.type):
        return _move(run, status)
    if event.type in SUCCESSES:
        run["tasks_succeeded"] += 1
    if is_final_failure(event) and not run["failing"]:
        run["failing"] = True
        return True
    return False


def _move(run: Standing, status: RunStatus) -> bool:
    kept = run["status"]
    if kept == status or (kept == "cancelling" and status == "running"):
        return False
    run["status"] = status
    return True


def is_final_failure(event: Event) -> bool:
    """Tell whether a task failed for good."""
    if event.type != types.TASK_FAILED:
        return False
    body: TaskFailed = event.data
    return not body.get("will_retry")


def advance(run: RunFacts, event: Event) -> None:
    """Fold an event after `RunQueued` into a run's facts; an ended run only notes its position."""
    over = run["status"] in ENDED
    if stand(run, event):
        run["updated_us"] = micros(event.recorded_at)
    if not over and (fold := _RUN_FOLDS.get(event.type)):
        fold(run, event, event.data)


def _start(run: RunFacts, event: Event, _: RunStarted) -> None:
    if run["started_us"] is None:
        run["started_us"] = happened(event)


def _request_cancel(run: RunFacts, event: Event, _: RunCancelRequested | RunCancelled) -> None:
    if run["cancelled_by"] is None:
        run["cancelled_by"] = event.actor


def _end(run: RunFacts, event: Event, body: RunEndBody) -> None:
    run["ended_us"] = max(happened(event), run["started_us"] or run["created_us"])
    _note(run, None, body)


def _fail(run: RunFacts, event: Event, body: RunFailed) -> None:
    _end(run, event, body)
    run["reason"] = reason_of(body)
    if run["error"] is None:
        run["error"] = {"task": None, **failure(body)}


def _cancel(run: RunFacts, event: Event, body: RunCancelled) -> None:
    _end(run, event, body)
    _request_cancel(run, event, body)


def _fail_task(run: RunFacts, event: Event, body: TaskFailed) -> None:
    _note_task(run, event, body)
    if run["error"] is None and is_final_failure(event):
        run["error"] = {"task": body["task"], **failure(body)}


def _note_task(run: RunFacts, _: Event, body: TaskBody) -> None:
    if len(body) > 1:
        _note(run, body["task"], body)


def _note(run: RunFacts, task: str | None, body: RunEndBody | TaskBody) -> None:
    if told := body.get("warnings"):
        run["warnings"] = (run["warnings"] + texts(told))[:MANY]
    if measured := body.get("metrics"):
        others = [entry for entry in run["metrics"] if entry["task"] != task]
        run["metrics"] = [*others, {**mapping(measured), "task": task}][:MANY]


_RUN_FOLDS: Final[Mapping[str, Callable[[RunFacts, Event, Any], None]]] = {
    types.RUN_STARTED: _start,
    types.RUN_CANCEL_REQUESTED: _request_cancel,
    types.RUN_SUCCEEDED: _end,
    types.RUN_WARNED: _end,
    types.RUN_FAILED: _fail,
    types.RUN_CANCELLED: _cancel,
    types.TASK_SUCCEEDED: _note_task,
    types.TASK_WARNED: _note_task,
    types.TASK_FAILED: _fail_task,
    types.TASK_CANCELLED: _note_task,
    types.TASK_SKIPPED: _note_task,
    types.TASK_OUTPUT_RECORDED: _note_task,
}
