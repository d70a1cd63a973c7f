"""The fold of `load_plans`: a run as a tree, whose states are rolled up from the tables.

Source: Incorta's public API v2, load plan status: a plan has groups, a group schemas, a schema
objects, and only an object has a state that is not made from those below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypedDict

import orjson

from events.bodies import RunQueued, TaskBody
from events.envelope import Event
from events.types import RUN_QUEUED
from projections.documents.flow import Flow, Plan, PlanGroup, PlanTask
from projections.documents.lifecycle import TaskStatus, task_status_after
from projections.documents.run import RunSummary, apply_status, reused_tasks
from projections.projection import Columns, Key, KnownFlows, States, run_key, state_of
from projections.results import Record, columns_of

NodeStatus = TaskStatus | Literal["partial"]
"""``partial``: everything below has ended, with different results."""


class Table(TypedDict):
    """A table, the leaf of a tree; ``task`` is the path of the task that loads it."""

    name: str
    state: TaskStatus
    task: str


class Schema(TypedDict):
    """A schema and its tables."""

    name: str
    state: NodeStatus
    tables: list[Table]


class Group(TypedDict):
    """A group and its schemas."""

    name: str
    state: NodeStatus
    schemas: list[Schema]


class PlanRun(RunSummary):
    """What a load plan shows of the run itself."""

    run_id: str
    run_number: int
    tenant: str
    fullname: str
    flow_ids: Mapping[str, Mapping[str, Any]]


class LoadPlan(TypedDict):
    """A run as a load plan."""

    run: PlanRun
    groups: list[Group]


def fold(states: States, event: Event, flows: KnownFlows) -> Sequence[Key]:
    """Fold one event of a run into its tree."""
    key = run_key(event)
    if event.type == RUN_QUEUED:
        states[key] = _begin(event, flows.of(event))
    else:
        _advance(state_of(states, key), event)
    return (key,)


def _begin(event: Event, flow: Flow) -> LoadPlan:
    body: RunQueued = event.data
    reused = reused_tasks(body)
    plan: LoadPlan = {
        "run": {
            "run_id": body["run_id"],
            "run_number": body["run_number"],
            "tenant": event.tenant,
            "fullname": body["flow"],
            "flow_ids": flow.ids,
            "status": "queued",
            "failing": False,
            "tasks_succeeded": len(reused),
            "position": event.position,
        },
        "groups": planned(flow.plan),
    }
    for each in reused:
        _set(plan, each["task"], each["status"])
    return plan


def _advance(plan: LoadPlan, event: Event) -> None:
    apply_status(plan["run"], event)
    if state := task_status_after(event.type, event.data):
        body: TaskBody = event.data
        _set(plan, body["task"], state)


def _set(plan: LoadPlan, task: str, state: TaskStatus) -> None:
    for table in tables(plan):
        if table["task"] == task:
            table["state"] = state


def deserialize(row: Record) -> LoadPlan:
    """Read a run's tree back from its row."""
    plan: LoadPlan = orjson.loads(row["document"])
    return plan


def columns(states: States, changed: Iterable[Key]) -> Columns:
    """Write tenant, run_id, run_number, document."""
    return columns_of((_row(document(states[key])) for key in changed), 4)


def _row(plan: LoadPlan) -> tuple[Any, ...]:
    run = plan["run"]
    return (run["tenant"], run["run_id"], run["run_number"], orjson.dumps(plan))


def document(plan: LoadPlan) -> LoadPlan:
    """Give a run's tree, with the states of schemas and groups rolled up."""
    roll_up(plan)
    return plan


def planned(plan: Plan) -> list[Group]:
    """Lay out a plan as groups, all pending; without a load plan each step is a group."""
    if plan.groups:
        return [_of_group(group, plan) for group in plan.groups]
    steps: dict[str, list[PlanTask]] = {}
    for task in plan.tasks:
        if task.hook is None:
            steps.setdefault(_step_of(task), []).append(task)
    return [_of_tasks(step, tasks) for step, tasks in steps.items()]


def _step_of(task: PlanTask) -> str:
    return task.path.partition("/")[0] if task.groups else task.path


def _of_group(group: PlanGroup, plan: Plan) -> Group:
    if not group.schemas:
        return _of_tasks(group.name, (plan.by_path[path] for path in group.tasks))
    return _group(
        group.name,
        [
            _schema(schema.name, ((table.name, table.task) for table in schema.tables))
            for schema in group.schemas
        ],
    )


def _of_tasks(step: str, tasks: Iterable[PlanTask]) -> Group:
    return _group(step, [_schema(step, ((f"{step}.{task.key}", task.path) for task in tasks))])


def _group(name: str, schemas: list[Schema]) -> Group:
    return {"name": name, "state": "pending", "schemas": schemas}


def _schema(name: str, named: Iterable[tuple[str, str]]) -> Schema:
    leaves: list[Table] = [
        {"name": table, "state": "pending", "task": task} for table, task in named
    ]
    return {"name": name, "state": "pending", "tables": leaves}


def tables(plan: LoadPlan) -> Iterator[Table]:
    """Yield the tables of a tree."""
    for group in plan["groups"]:
        for schema in group["schemas"]:
            yield from schema["tables"]


def roll_up(plan: LoadPlan) -> None:
    """Set the states of schemas and groups from those of their tables."""
    for group in plan["groups"]:
        for schema in group["schemas"]:
            schema["state"] = rolled(table["state"] for table in schema["tables"])
        group["state"] = rolled(schema["state"] for schema in group["schemas"])


def rolled(children: Iterable[NodeStatus]) -> NodeStatus:
    """Combine the states below a node into its own.

    Equal states give that state. If any is open, the node is running. Otherwise it is cancelled if
    any is, else partial. A node without children has succeeded.

    >>> rolled(["succeeded", "pending"])
    'running'
    >>> rolled(["succeeded", "failed"])
    'partial'
    """
    states = set(children)
    if len(states) == 1:
        return states.pop()
    if states & {"pending", "running"}:
        return "running"
    if "cancelled" in states:
        return "cancelled"
    return "partial" if states else "succeeded"
