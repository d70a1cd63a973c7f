"""A version of a flow and its plan, read from `FlowRegistered`: immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypedDict

from events.bodies import (
    Executor,
    FlowRegistered,
    Hook,
    PlanBody,
    PlanGroupBody,
    PlanTaskBody,
)


@dataclass(frozen=True, slots=True)
class PlanTask:
    """A task of a plan.

    ``path`` is unique in the plan and never changes (`GROUP_RANDOMS/RANDOM#2`); ``key`` is the
    task's name in the file of flows. ``previous`` has the paths of the tasks that it waits for; a
    hook waits for the run's outcome instead. ``groups`` are the groups and chains around it, the
    outermost first, as they are in the path. ``options`` are those of a command: ``command``,
    ``environment``, ``directory``.
    """

    path: str
    key: str
    previous: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    hook: Hook | None = None
    type: Literal["python", "command"] = "python"
    retries: int = 0
    timeout_s: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanTable:
    """A table of a load plan, and the path of the task that loads it."""

    name: str
    task: str


@dataclass(frozen=True, slots=True)
class PlanSchema:
    """A schema of a load plan: its tables in order."""

    name: str
    tables: tuple[PlanTable, ...]


@dataclass(frozen=True, slots=True)
class PlanGroup:
    """A group of a load plan: its schemas in order. ``tasks`` are leaves without a schema."""

    name: str
    schemas: tuple[PlanSchema, ...]
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The tree and the graph of a flow version's tasks, in the order written; hooks last.

    ``retries`` is how many runs retry a failed one automatically, each ``retry_delay_s`` seconds
    after the failure.
    """

    tasks: tuple[PlanTask, ...]
    groups: tuple[PlanGroup, ...] = ()
    retries: int = 0
    retry_delay_s: float = 0.0

    @cached_property
    def by_path(self) -> dict[str, PlanTask]:
        """Every task by its path."""
        return {task.path: task for task in self.tasks}

    @cached_property
    def step_paths(self) -> tuple[str, ...]:
        """The paths of all tasks but hooks: a run's rows, where it is listed by task."""
        return tuple(task.path for task in self.tasks if task.hook is None)

    @cached_property
    def followers(self) -> dict[str, tuple[str, ...]]:
        """For each path the paths that wait for it directly."""
        return {
            task.path: tuple(t.path for t in self.tasks if task.path in t.previous)
            for task in self.tasks
        }


@dataclass(frozen=True)
class Flow:
    """One version of a flow in a tenant's catalogue.

    ``number`` is unique in the tenant and shared by all versions. ``ids`` maps each vendor to the
    names and values of its ids. ``definition`` is the flow as the file has it, with its payload
    schema loaded. ``payload_schema`` is that schema as JSON text, its keys in the order written,
    which decides the order of a payload's errors.
    """

    tenant: str
    fullname: str
    project: str
    name: str
    version: int
    number: int
    executor: Executor
    exclusive: bool
    timeout_s: float | None
    ids: Mapping[str, Mapping[str, Any]]
    definition: Mapping[str, Any]
    plan: Plan
    payload_schema: str | None = None

    @property
    def listed_by_task(self) -> bool:
        """Whether lists of executions show each task of a run as a row; else each run is one."""
        return self.definition.get("rows") == "tasks"


class FlowDocument(TypedDict):
    """A flow as `workflows` shows it: its newest `FlowRegistered` without the plan.

    Times are microseconds since 1970, UTC; ``position`` is that of its newest event.
    """

    fullname: str
    project: str
    name: str
    version: int
    number: int
    executor: Executor
    exclusive: bool
    timeout_s: float | None
    ids: Mapping[str, Mapping[str, Any]]
    definition: Mapping[str, Any]
    payload_schema: str | None
    tenant: str
    retired: bool
    created_us: int
    updated_us: int
    position: int


@dataclass(frozen=True, slots=True)
class Registered:
    """A version of a flow, with the position and the time at which it was registered.

    A start is appended only if its version is still the newest. So all runs of a flow that were
    queued between two registrations are of the earlier version.
    """

    flow: Flow
    position: int
    at_us: int


def flow_of(tenant: str, data: FlowRegistered) -> Flow:
    """Read a flow from the body of its `FlowRegistered` event."""
    return Flow(
        tenant=tenant,
        fullname=data["fullname"],
        project=data["project"],
        name=data["name"],
        version=data["version"],
        number=data["number"],
        executor=data["executor"],
        exclusive=data["exclusive"],
        timeout_s=data["timeout_s"],
        ids=data["ids"],
        definition=data["definition"],
        plan=plan_of(data["plan"]),
        payload_schema=data.get("payload_schema"),
    )


def flow_json(flow: Flow) -> FlowRegistered:
    """Write a flow as the body of its `FlowRegistered` event, the inverse of `flow_of`."""
    return {
        "fullname": flow.fullname,
        "project": flow.project,
        "name": flow.name,
        "version": flow.version,
        "number": flow.number,
        "executor": flow.executor,
        "exclusive": flow.exclusive,
        "timeout_s": flow.timeout_s,
        "ids": {vendor: dict(ids) for vendor, ids in flow.ids.items()},
        "definition": dict(flow.definition),
        "plan": plan_json(flow.plan),
        "payload_schema": flow.payload_schema,
    }


def plan_of(data: PlanBody) -> Plan:
    """Read a plan from its JSON form, the inverse of `plan_json`."""
    return Plan(
        tasks=tuple(_task_of(task) for task in data["tasks"]),
        groups=tuple(_group_of(group) for group in data["groups"]),
        retries=data.get("retries", 0),
        retry_delay_s=data.get("retry_delay_s", 0.0),
    )


def _task_of(data: PlanTaskBody) -> PlanTask:
    return PlanTask(
        path=data["path"],
        key=data["key"],
        previous=tuple(data["previous"]),
        groups=tuple(data["groups"]),
        hook=data["hook"],
        type=data["type"],
        retries=data["retries"],
        timeout_s=data["timeout_s"],
        options=data["options"],
    )


def _group_of(data: PlanGroupBody) -> PlanGroup:
    return PlanGroup(
        name=data["name"],
        schemas=tuple(
            PlanSchema(
                schema["name"],
                tuple(PlanTable(table["name"], table["task"]) for table in schema["tables"]),
            )
            for schema in data["schemas"]
        ),
        tasks=tuple(data["tasks"]),
    )


def plan_json(plan: Plan) -> PlanBody:
    """Write a plan as JSON, as `FlowRegistered` carries it; of retries only where there are any."""
    body: PlanBody = {
        "tasks": [
            {
                "path": task.path,
                "key": task.key,
                "previous": list(task.previous),
                "groups": list(task.groups),
                "hook": task.hook,
                "type": task.type,
                "retries": task.retries,
                "timeout_s": task.timeout_s,
                "options": dict(task.options),
            }
            for task in plan.tasks
        ],
        "groups": [
            {
                "name": group.name,
                "schemas": [
                    {
                        "name": schema.name,
                        "tables": [{"name": t.name, "task": t.task} for t in schema.tables],
                    }
                    for schema in group.schemas
                ],
                "tasks": list(group.tasks),
            }
            for group in plan.groups
        ],
    }
    if plan.retries:
        body["retries"] = plan.retries
        body["retry_delay_s"] = plan.retry_delay_s
    return body
