"""Makes a flow's plan from its steps: task paths, dependencies and the load plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from events.bodies import Hook
from projections.documents.flow import Plan, PlanGroup, PlanSchema, PlanTable, PlanTask
from service.flows.errors import Diagnostics, YamlPath
from service.flows.steps import Step, TaskStep


def plan_flow(steps: tuple[Step, ...], hooks: Mapping[Hook, TaskStep]) -> Plan:
    """Plan a flow: its tasks in the order written, then its hooks; each step is a group.

    A task's path is its key below the names of its parents (`GROUP/KEY`); a duplicate gets `#2`,
    `#3`. The members of a group wait for the step before it, and the step after waits for all of
    them. A hook's path is `@success/KEY` or `@failure/KEY`; it waits for no task.
    """
    hook_tasks = tuple(
        _task(step, f"@{hook}/{step.key}", hook=hook) for hook, step in hooks.items()
    )
    builder = _PlanBuilder(used_paths={task.path for task in hook_tasks})
    builder.chain(steps, (), ())
    tasks = tuple(builder.tasks)
    return Plan(tasks + hook_tasks, tuple(_group(name, tasks) for name in builder.top_level))


@dataclass(slots=True)
class _PlanBuilder:
    """Builds a plan; `chain`, `group` and `step` return the paths that the next step waits for."""

    tasks: list[PlanTask] = field(default_factory=list)
    top_level: list[str] = field(default_factory=list)
    used_paths: set[str] = field(default_factory=set)

    def chain(
        self, steps: tuple[Step, ...], previous: tuple[str, ...], parents: tuple[str, ...]
    ) -> tuple[str, ...]:
        for step in steps:
            previous = self.step(step, previous, parents)
        return previous

    def group(
        self, steps: tuple[Step, ...], previous: tuple[str, ...], parents: tuple[str, ...]
    ) -> tuple[str, ...]:
        return tuple(path for step in steps for path in self.step(step, previous, parents))

    def step(
        self, step: Step, previous: tuple[str, ...], parents: tuple[str, ...]
    ) -> tuple[str, ...]:
        segment = self.segment(step.key if isinstance(step, TaskStep) else step.name, parents)
        if not parents:
            self.top_level.append(segment)
        if isinstance(step, TaskStep):
            path = "/".join((*parents, segment))
            self.tasks.append(replace(_task(step, path), previous=previous, groups=parents))
            return (path,)
        walk = self.group if step.type == "group" else self.chain
        return walk(step.steps, previous, (*parents, segment))

    def segment(self, name: str, parents: tuple[str, ...]) -> str:
        segment, count = name, 1
        while (path := "/".join((*parents, segment))) in self.used_paths:
            count += 1
            segment = f"{name}#{count}"
        self.used_paths.add(path)
        return segment


def _task(step: TaskStep, path: str, *, hook: Hook | None = None) -> PlanTask:
    return PlanTask(
        path=path,
        key=step.key,
        hook=hook,
        type=step.type,
        retries=step.retries,
        timeout_s=step.timeout_s,
        options=step.options,
    )


def _group(name: str, tasks: tuple[PlanTask, ...]) -> PlanGroup:
    own = (task for task in tasks if (task.groups[0] if task.groups else task.path) == name)
    tables = tuple(PlanTable(f"{name}.{_table_name(name, task)}", task.path) for task in own)
    return PlanGroup(name, (PlanSchema(name, tables),))


def _table_name(name: str, task: PlanTask) -> str:
    return task.path.removeprefix(f"{name}/") if task.groups else task.key


def plan_load(
    value: object, location: YamlPath, plan: Plan, diagnostics: Diagnostics
) -> tuple[PlanGroup, ...]:
    """Read a flow's load plan: groups in order, their schemas, and the task of each table.

    The form is `{groups: [{name, schemas: [{name, tables: [{name, task}]}]}]}`. A task is named by
    its path, or by its key where that is unique. A table is called `SCHEMA.NAME`.
    """
    tasks = {task.path: task for task in plan.tasks if task.hook is None}
    reader = _LoadPlanReader(diagnostics, tasks)
    return tuple(reader.group(entry) for entry in reader.entries(value, location, "groups"))


class _Entry(NamedTuple):
    name: str
    body: dict[str, object]
    location: YamlPath


@dataclass(frozen=True, slots=True)
class _LoadPlanReader:
    diagnostics: Diagnostics
    tasks: Mapping[str, PlanTask]

    def entries(self, value: object, location: YamlPath, key: str) -> list[_Entry]:
        """Read a list of named mappings; one without a name is left out."""
        items = value.get(key) if isinstance(value, dict) else None
        location = (*location, key)
        if not isinstance(items, list) or not items:
            self.diagnostics.add(location, f"load_plan: {key} must be a list of at least one")
            return []
        entries = [self._entry(item, (*location, index)) for index, item in enumerate(items)]
        named = [entry for entry in entries if entry is not None]
        self._check_unique(named)
        return named

    def group(self, entry: _Entry) -> PlanGroup:
        schemas = map(self._schema, self.entries(entry.body, entry.location, "schemas"))
        return PlanGroup(entry.name, tuple(schemas))

    def _schema(self, entry: _Entry) -> PlanSchema:
        tables = self.entries(entry.body, entry.location, "tables")
        return PlanSchema(entry.name, tuple(self._table(entry.name, table) for table in tables))

    def _entry(self, item: object, location: YamlPath) -> _Entry | None:
        name = item.get("name") if isinstance(item, dict) else None
        if isinstance(item, dict) and isinstance(name, str) and name:
            return _Entry(name, item, location)
        self.diagnostics.add(location, "load_plan: each entry must be a mapping with a name")
        return None

    def _check_unique(self, entries: list[_Entry]) -> None:
        counts = Counter(entry.name for entry in entries)
        for entry in entries:
            if counts[entry.name] > 1:
                self.diagnostics.add(entry.location, f"load_plan: duplicate name {entry.name!r}")

    def _table(self, schema: str, entry: _Entry) -> PlanTable:
        prefix = f"{schema}."
        path = self._path(entry.body.get("task"), entry.location)
        return PlanTable(prefix + entry.name.removeprefix(prefix), path)

    def _path(self, task: object, location: YamlPath) -> str:
        if isinstance(task, str) and task in self.tasks:
            return task
        paths = [path for path, planned in self.tasks.items() if planned.key == task]
        if len(paths) == 1:
            return paths[0]
        mistake = (
            f"is ambiguous; name it by its path: {', '.join(paths)}"
            if paths
            else "is not a task of the flow"
        )
        self.diagnostics.add((*location, "task"), f"load_plan: task {task!r} {mistake}")
        return ""
