"""What the ledger knows of a task, folded as `projections.documents.run` folds its run."""

from __future__ import annotations

from hashlib import sha1
from typing import Any, NotRequired, TypedDict

from events import types
from events.bodies import RunQueued, TaskBody, TaskStarted
from events.envelope import Event
from projections.documents.flow import Flow, Plan
from projections.documents.lifecycle import (
    TASK_ENDED,
    TASK_SUCCESSES,
    TaskStatus,
    task_status_after,
)
from projections.documents.report_values import Failure, failure, integer, mapping, text, texts
from projections.documents.run import (
    ExecutionDocument,
    RunDocument,
    micros,
    occurred_us,
    reused_tasks,
)


class TaskSummary(TypedDict):
    """A task's status and times; ``started_us`` is the start of its first attempt."""

    path: str
    status: TaskStatus
    started_us: int | None
    ended_us: int | None


class TaskDocument(TaskSummary):
    """A task in full.

    ``previous`` has ids of tasks. ``carried_from``, of a reused task only, is the id of the earlier
    run in which it was done.
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


class WorkflowDocument(ExecutionDocument):
    """A document of `workflows`: a run in full, with its tasks in the plan's order."""

    tasks: list[TaskDocument]


class ListingDocument(RunDocument):
    """A document of `listings`: a run without metrics; its error has no traceback.

    ``task_rows``, the tasks without hooks in the plan's order, is there where the flow is listed by
    task.
    """

    task_rows: NotRequired[list[TaskSummary]]


def new_tasks(event: Event, flow: Flow) -> dict[str, TaskDocument]:
    """Make the documents of a new run's tasks, by path in the plan's order, from its `RunQueued`.

    A reused task ended when the run was queued, and never started.
    """
    body: RunQueued = event.data
    ids = task_ids(body["run_id"], flow.plan)
    now = micros(event.recorded_at)
    tasks: dict[str, TaskDocument] = {
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
    for each in reused_tasks(body):
        tasks[each["task"]] |= {
            "status": each["status"],
            "ended_us": now,
            "carried_from": each["run_id"],
        }
    return tasks


def new_steps(event: Event, flow: Flow) -> dict[str, TaskSummary]:
    """Make the summaries of a new run's tasks without hooks, as `new_tasks` makes documents."""
    steps: dict[str, TaskSummary] = {
        path: {"path": path, "status": "pending", "started_us": None, "ended_us": None}
        for path in flow.plan.step_paths
    }
    now = micros(event.recorded_at)
    body: RunQueued = event.data
    for each in reused_tasks(body):
        if each["task"] in steps:
            steps[each["task"]] |= {"status": each["status"], "ended_us": now}
    return steps


def task_ids(run_id: str, plan: Plan) -> dict[str, str]:
    """Give the ids of a run's tasks by path, in the plan's order.

    The id of a task is the UUID of version 5 of its path in the namespace of the run's id.

    >>> from projections.documents.flow import PlanTask
    >>> task_ids("5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4", Plan((PlanTask("EXTRACT", "EXTRACT"),)))
    {'EXTRACT': 'b4082dfd-8c5e-5a1f-b38c-a3d383f3e308'}
    """
    namespace = bytes.fromhex(run_id.replace("-", ""))
    return {task.path: _task_id(namespace, task.path) for task in plan.tasks}


def _task_id(namespace: bytes, path: str) -> str:
    # `uuid.uuid5` takes four times as long, and every new run needs the ids of all its tasks.
    digest = sha1(namespace + path.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def apply_task_status(task: TaskSummary, event: Event, created_us: int) -> None:
    """Fold an event about a task into its summary; ``created_us`` is when the run was queued."""
    status = task_status_after(event.type, event.data)
    if status is None:
        return
    task["status"] = status
    if status in TASK_ENDED:
        task["ended_us"] = max(occurred_us(event), task["started_us"] or created_us)
    elif event.type == types.TASK_STARTED and task["started_us"] is None:
        task["started_us"] = occurred_us(event)


def apply_task_event(task: TaskDocument, event: Event) -> None:
    """Fold an event about a task into its document."""
    type_ = event.type
    body: TaskBody = event.data
    task["updated_us"] = micros(event.recorded_at)
    apply_task_status(task, event, task["created_us"])
    if type_ == types.TASK_STARTED:
        started: TaskStarted = event.data
        # A writer always sets it; an event from elsewhere that lacks it pauses no read model.
        task["attempt"] = integer(started.get("attempt")) or task["attempt"] + 1
    elif type_ == types.TASK_FAILED:
        task["error"] = failure(event.data)
    elif type_ in TASK_SUCCESSES:
        task["error"] = None
    if len(body) > 1:
        _keep_output(task, body)


def _keep_output(task: TaskDocument, body: TaskBody) -> None:
    if "result" in body:
        task["result"] = body["result"]
    if warnings := body.get("warnings"):
        task["warnings"] = task["warnings"] + texts(warnings)
    if metrics := body.get("metrics"):
        task["metrics"] = mapping(metrics)
    if (log := body.get("log")) is not None:
        task["log"] = text(log)
