"""From the steps of a flow to its plan: paths, what waits for what, and its load plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from events.bodies import Hook
from projections.documents.flow import Plan, PlanGroup, PlanSchema, PlanTable, PlanTask
from service.flows.errors import Diagnostics, YamlPath
from service.flows.steps import Step, TaskStep


def plan_flow(steps: tuple[Step, ...], hooks: Mapping[Hook, TaskStep]) -> Plan:
    """Plan a flow: its tasks in the order they are written, hooks last, each step a group.

    A task's path is its key under the names around it (`GROUP/KEY`); what would stand twice gets
    `#2`, `#3`. The members of a group wait for what the group waits for, and the step after a group
    waits for all of it. A hook's path is `@success/KEY` or `@failure/KEY`; it waits for no task.
    """
    at_end = tuple(_task(step, f"@{hook}/{step.key}", hook=hook) for hook, step in hooks.items())
    builder = _PlanBuilder(used={task.path for task in at_end})
    builder.chain(steps, (), ())
    tasks = tuple(builder.tasks)
    return Plan(tasks + at_end, tuple(_group(name, tasks) for name in builder.top))


@dataclass(slots=True)
class _PlanBuilder:
    """Grows a plan; each method returns the paths that the next step waits for."""

    tasks: list[PlanTask] = field(default_factory=list)
    top: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def chain(
        self, steps: tuple[Step, ...], previous: tuple[str, ...], around: tuple[str, ...]
    ) -> tuple[str, ...]:
        for step in steps:
            previous = self.step(step, previous, around)
        return previous

    def group(
        self, steps: tuple[Step, ...], previous: tuple[str, ...], around: tuple[str, ...]
    ) -> tuple[str, ...]:
        return tuple(path for step in steps for path in self.step(step, previous, around))

    def step(
        self, step: Step, previous: tuple[str, ...], around: tuple[str, ...]
    ) -> tuple[str, ...]:
        segment = self.segment(step.key if isinstance(step, TaskStep) else step.name, around)
        if not around:
            self.top.append(segment)
        if isinstance(step, TaskStep):
            path = "/".join((*around, segment))
            self.tasks.append(replace(_task(step, path), previous=previous, groups=around))
            return (path,)
        within = (*around, segment)
        walk = self.group if step.type == "group" else self.chain
        return walk(step.steps, previous, within)

    def segment(self, name: str, around: tuple[str, ...]) -> str:
        segment, count = name, 1
        while (path := "/".join((*around, segment))) in self.used:
            count += 1
            segment = f"{name}#{count}"
        self.used.add(path)
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
    tables = tuple(PlanTable(f"{name}.{_within(name, task)}", task.path) for task in own)
    return PlanGroup(name, (PlanSchema(name, tables),))


def _within(name: str, task: PlanTask) -> str:
    return task.path.removeprefix(f"{name}/") if task.groups else task.key


def plan_load(
    value: object, location: YamlPath, plan: Plan, diagnostics: Diagnostics
) -> tuple[PlanGroup, ...]:
    """Read a flow's load plan: groups in order, their schemas, and the task that loads each table.

    The form is `{groups: [{name, schemas: [{name, tables: [{name, task}]}]}]}`; a task is named
    by its path, or by its key where only one task has it. A table is called `SCHEMA.NAME`.
    """
    reader = _LoadPlanReader(
        diagnostics, {task.path: task for task in plan.tasks if task.hook is None}
    )
    return tuple(reader.group(*group) for group in reader.named(value, location, "groups"))


@dataclass(frozen=True, slots=True)
class _LoadPlanReader:
    diagnostics: Diagnostics
    tasks: Mapping[str, PlanTask]

    def named(
        self, value: object, location: YamlPath, key: str
    ) -> list[tuple[str, dict[str, object], YamlPath]]:
        """Go through a list of named mappings: name, mapping and place of each."""
        items = value.get(key) if isinstance(value, dict) else None
        if not isinstance(items, list) or not items:
            self.diagnostics.add(
                (*location, key), f"load_plan: {key} must be a list of at least one"
            )
            return []
        found = [self._named(item, (*location, key, index)) for index, item in enumerate(items)]
        named = [item for item in found if item is not None]
        self._check_unique(named)
        return named

    def group(self, name: str, body: dict[str, object], location: YamlPath) -> PlanGroup:
        schemas = (self._schema(*schema) for schema in self.named(body, location, "schemas"))
        return PlanGroup(name, tuple(schemas))

    def _schema(self, name: str, body: dict[str, object], location: YamlPath) -> PlanSchema:
        tables = (self._table(name, *table) for table in self.named(body, location, "tables"))
        return PlanSchema(name, tuple(tables))

    def _named(
        self, item: object, location: YamlPath
    ) -> tuple[str, dict[str, object], YamlPath] | None:
        name = item.get("name") if isinstance(item, dict) else None
        if isinstance(item, dict) and isinstance(name, str) and name:
            return name, item, location
        self.diagnostics.add(location, "load_plan: a mapping with a name is needed")
        return None

    def _check_unique(self, named: list[tuple[str, dict[str, object], YamlPath]]) -> None:
        counts = Counter(name for name, _, _ in named)
        for name, _, location in named:
            if counts[name] > 1:
                self.diagnostics.add(location, f"load_plan: {name!r} stands twice here")

    def _table(
        self, schema: str, name: str, body: dict[str, object], location: YamlPath
    ) -> PlanTable:
        prefix = f"{schema}."
        return PlanTable(prefix + name.removeprefix(prefix), self._path(body.get("task"), location))

    def _path(self, task: object, location: YamlPath) -> str:
        if isinstance(task, str) and task in self.tasks:
            return task
        paths = [path for path, planned in self.tasks.items() if planned.key == task]
        if len(paths) == 1:
            return paths[0]
        many = f"names several tasks: {', '.join(paths)}" if paths else "names no task of the flow"
        self.diagnostics.add((*location, "task"), f"load_plan: task {task!r} {many}")
        return ""
