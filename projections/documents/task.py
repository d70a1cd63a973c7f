"""What the ledger knows of a task of a run, folded as `projections.documents.run` folds the run."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha1
from typing import Any, Final, Literal, NotRequired, TypedDict

from events import types
from events.bodies import RunQueued, TaskBody, TaskFailed, TaskStarted
from events.envelope import Event
from projections.documents.flow import Flow
from projections.documents.report_values import Failure, failure, integer, mapping, text, texts
from projections.documents.run import SUCCESSES, carried, happened, micros

TaskStatus = Literal["pending", "running", "succeeded", "warned", "failed", "cancelled", "skipped"]


class TaskStanding(TypedDict):
    """Where a task of a run stands. ``started_us`` is the first attempt's."""

    path: str
    status: TaskStatus
    started_us: int | None
    ended_us: int | None


class TaskFacts(TaskStanding):
    """All that is shown of a task of a run.

    ``carried_from`` is there where the task is not run again: the earlier run that it was done in.
    """

    id: str
    key: str
    previous: list[str]
    groups: list[str]
    hook: str | None
    attempt: int
    created_us: int
    updated_us: int
    result: Any
    error: Failure | None
    warnings: list[str]
    metrics: dict[str, Any]
    log: str | None
    carried_from: NotRequired[str]


_TASK_STATUS: Final[Mapping[str, TaskStatus]] = {
    types.TASK_STARTED: "running",
    types.TASK_SUCCEEDED: "succeeded",
    types.TASK_WARNED: "warned",
    types.TASK_FAILED: "failed",
    types.TASK_CANCELLED: "cancelled",
    types.TASK_SKIPPED: "skipped",
}


def pending_tasks(event: Event, flow: Flow) -> dict[str, TaskFacts]:
    """Begin the facts of a run's tasks, by path and in the plan's order, from its `RunQueued`.

    What is carried over has ended when the run was queued, and never started.
    """
    body: RunQueued = event.data
    namespace = bytes.fromhex(body["run_id"].replace("-", ""))
    ids = {task.path: _id(namespace, task.path) for task in flow.plan.tasks}
    now = micros(event.recorded_at)
    tasks: dict[str, TaskFacts] = {
        task.path: {
            "id": ids[task.path],
            "path": task.path,
            "key": task.key,
            "previous": [ids[path] for path in task.previous],
            "groups": list(task.groups),
            "hook": task.hook,
            "status": "pending",
            "attempt": 0,
            "created_us": now,
            "started_us": None,
            "ended_us": None,
            "updated_us": now,
            "result": None,
            "error": None,
            "warnings": [],
            "metrics": {},
            "log": None,
        }
        for task in flow.plan.tasks
    }
    for each in carried(body):
        tasks[each["task"]] |= {
            "status": each["status"],
            "ended_us": now,
            "carried_from": each["run_id"],
        }
    return tasks


def pending_steps(event: Event, flow: Flow) -> dict[str, TaskStanding]:
    """Begin the standings of a run's tasks without hooks, as `pending_tasks` begins their facts."""
    steps: dict[str, TaskStanding] = {
        path: {"path": path, "status": "pending", "started_us": None, "ended_us": None}
        for path in flow.plan.step_paths
    }
    now = micros(event.recorded_at)
    body: RunQueued = event.data
    for each in carried(body):
        if each["task"] in steps:
            steps[each["task"]] |= {"status": each["status"], "ended_us": now}
    return steps


def _id(namespace: bytes, path: str) -> str:
    # `projections.documents.flow.task_id`, which is uuid5, at a quarter of its time: every run has
    # its tasks.
    digest = sha1(namespace + path.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def task_status(event: Event) -> TaskStatus | None:
    """Give the state that an event brings its task to; None for one that changes none.

    A failure that will be tried again leaves the task running.
    """
    if event.type == types.TASK_FAILED:
        body: TaskFailed = event.data
        return "running" if body.get("will_retry") else "failed"
    return _TASK_STATUS.get(event.type)


def stand_task(task: TaskStanding, event: Event, created_us: int) -> None:
    """Fold an event about a task into its standing; ``created_us`` is when the run was queued."""
    task["status"] = status = task_status(event) or task["status"]
    if event.type == types.TASK_STARTED:
        if task["started_us"] is None:
            task["started_us"] = happened(event)
    elif event.type in types.TASK_ENDS and status != "running":
        task["ended_us"] = max(happened(event), task["started_us"] or created_us)


def advance_task(task: TaskFacts, event: Event) -> None:
    """Fold an event about a task into its facts."""
    body: TaskBody = event.data
    task["updated_us"] = micros(event.recorded_at)
    stand_task(task, event, task["created_us"])
    if event.type == types.TASK_STARTED:
        started: TaskStarted = event.data
        task["attempt"] = integer(started.get("attempt")) or task["attempt"] + 1
    elif event.type == types.TASK_FAILED:
        task["error"] = failure(event.data)
    elif event.type in SUCCESSES:
        task["error"] = None
    if len(body) > 1:
        _keep_output(task, body)


def _keep_output(task: TaskFacts, body: TaskBody) -> None:
    if "result" in body:
        task["result"] = body["result"]
    if told := body.get("warnings"):
        task["warnings"] = task["warnings"] + texts(told)
    if measured := body.get("metrics"):
        task["metrics"] = mapping(measured)
    if body.get("log") is not None:
        task["log"] = text(body["log"])
