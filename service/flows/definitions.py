"""The definitions of flows in their files: read, checked and planned, or refused by line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from events.bodies import Executor, Hook
from projections.documents.flow import Plan
from service.flows.errors import Diagnostic, Diagnostics, FlowLoadError, YamlPath
from service.flows.periodic import check_periodic
from service.flows.planner import plan_flow, plan_load
from service.flows.retention import is_retention
from service.flows.schemas import read_schema
from service.flows.steps import (
    TaskStep,
    read_retrying,
    read_step,
    read_steps,
    read_timeout,
    tasks_of,
)
from service.flows.yaml import Document, read_document
from service.settings import KEEP_ALL_RUNS, MAX_KEPT_RUNS
from service.tasks import TaskLoadError, load_tasks

FILE_NAMES: Final = ("flows.yaml", "workflows.yml")
"""What is looked for in a folder: our name, and Celery Director's."""

MAX_FULLNAME: Final = 200

_HOOKS: Final[tuple[Hook, ...]] = ("success", "failure")


@dataclass(frozen=True, slots=True)
class FlowDefinition:
    """A flow as its file defines it.

    ``definition`` is the file's mapping, verbatim, with its payload schema loaded;
    ``payload_schema`` is that schema's JSON text in the order it is written; ``ids`` are a
    customer's own vendor ids, vendor to names and values, at the lines ``id_lines``.
    """

    fullname: str
    file: str
    line: int
    definition: Mapping[str, Any]
    plan: Plan
    executor: Executor
    exclusive: bool
    timeout_s: float | None
    payload_schema: str | None
    ids: Mapping[str, Mapping[str, Any]]
    id_lines: Mapping[str, int]


def load_definitions(path: Path) -> tuple[FlowDefinition, ...]:
    """Read the flows of a file, or of the files of `FILE_NAMES` in a folder, in the order written.

    The tasks come from the folder `tasks`, the payload schemas from the folder `schemas`, both
    beside the file.

    Raises:
        FlowLoadError: with everything that is wrong, in every file.

    """
    found: list[FlowDefinition] = []
    diagnostics: list[Diagnostic] = []
    for file in _files(path):
        try:
            found += load_file(file)
        except FlowLoadError as error:
            diagnostics += error.diagnostics
    diagnostics += _duplicates(found)
    if diagnostics:
        raise FlowLoadError(diagnostics)
    return tuple(found)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = [path / name for name in FILE_NAMES if (path / name).exists()]
    if not files:
        raise FlowLoadError([Diagnostic(str(path), 1, f"holds neither {' nor '.join(FILE_NAMES)}")])
    return files


def _duplicates(found: list[FlowDefinition]) -> list[Diagnostic]:
    first: dict[str, FlowDefinition] = {}
    diagnostics = []
    for flow in found:
        other = first.setdefault(flow.fullname, flow)
        if other is not flow:
            reason = f"flow {flow.fullname} is defined in {other.file}:{other.line} too"
            diagnostics.append(Diagnostic(flow.file, flow.line, reason))
    return diagnostics


def load_file(file: Path) -> list[FlowDefinition]:
    """Read the flows of one file.

    Raises:
        FlowLoadError: with everything that is wrong in it.

    """
    document = read_document(file)
    if not isinstance(document.value, dict) or not document.value:
        line = Diagnostics(str(file), document.lines).line(())
        reason = "must be a mapping of flows: project.NAME to its definition"
        raise FlowLoadError([Diagnostic(str(file), line, reason)])
    reader = _FlowReader(file, Diagnostics(str(file), document.lines), _task_names(file.parent))
    flows = [flow for name in document.value if (flow := reader.flow(name, document)) is not None]
    if reader.diagnostics.collected:
        raise FlowLoadError(reader.diagnostics.collected)
    return flows


def _task_names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(load_tasks(folder / "tasks"))
    except TaskLoadError as error:
        raise FlowLoadError([Diagnostic(str(error.file), error.line or 1, error.reason)]) from error


@dataclass(frozen=True, slots=True)
class _FlowReader:
    file: Path
    diagnostics: Diagnostics
    known_tasks: frozenset[str]

    def flow(self, fullname: str, document: Document) -> FlowDefinition | None:
        location: YamlPath = (fullname,)
        value = document.value[fullname]
        self._check_name(fullname, location)
        if not isinstance(value, dict):
            self.diagnostics.add(location, f"{fullname} must be a mapping with its tasks")
            return None
        executor = self._executor(value, location)
        ids = self._ids(value, location)
        schema, text = read_schema(self.file.parent, value, location, self.diagnostics)
        self._check_kept_keys(value, location, text)
        return FlowDefinition(
            fullname=fullname,
            file=self.diagnostics.file,
            line=self.diagnostics.line(location),
            definition=value if text is None else value | {"schema": schema},
            plan=self._plan(value, location, executor),
            executor=executor,
            exclusive=self._exclusive(value, location),
            timeout_s=read_timeout(value, location, self.diagnostics),
            payload_schema=text,
            ids=ids,
            id_lines={vendor: self.diagnostics.line((*location, "ids", vendor)) for vendor in ids},
        )

    def _check_name(self, fullname: str, location: YamlPath) -> None:
        project, _, name = fullname.partition(".")
        if not project or not name:
            self.diagnostics.add(
                location, f"{fullname!r} must be a project and a name: project.NAME"
            )
        if len(fullname) > MAX_FULLNAME or not fullname.isprintable():
            self.diagnostics.add(
                location, f"a flow's name is 1 to {MAX_FULLNAME} printable characters"
            )

    def _plan(self, value: dict[str, Any], location: YamlPath, executor: Executor) -> Plan:
        steps = read_steps(value.get("tasks"), (*location, "tasks"), self.diagnostics)
        hooks = self._hooks(value.get("hooks", {}), (*location, "hooks"))
        if executor == "in_process":
            self._check_known([*tasks_of(steps), *hooks.values()])
        retries, retry_delay_s = read_retrying(value, location, self.diagnostics)
        plan = replace(plan_flow(steps, hooks), retries=retries, retry_delay_s=retry_delay_s)
        if "load_plan" not in value:
            return plan
        groups = plan_load(value["load_plan"], (*location, "load_plan"), plan, self.diagnostics)
        return replace(plan, groups=groups)

    def _check_known(self, tasks: list[TaskStep]) -> None:
        for task in tasks:
            if task.type == "python" and task.key not in self.known_tasks:
                near = difflib.get_close_matches(task.key, self.known_tasks, n=1)
                hint = f", perhaps {near[0]!r}" if near else ""
                folder = self.file.parent / "tasks"
                self.diagnostics.add(
                    task.location, f"unknown task {task.key!r}: not in {folder}{hint}"
                )

    def _hooks(self, value: object, location: YamlPath) -> dict[Hook, TaskStep]:
        if not isinstance(value, dict):
            self.diagnostics.add(
                location, "hooks must be a mapping of success and failure to a task"
            )
            return {}
        # A hook without a task is none, as in Director.
        hooks = {
            hook: self._hook(value[hook], (*location, hook)) for hook in _HOOKS if value.get(hook)
        }
        return {hook: step for hook, step in hooks.items() if step is not None}

    def _hook(self, value: object, location: YamlPath) -> TaskStep | None:
        step = read_step(value, location, self.diagnostics)
        if step is None or isinstance(step, TaskStep):
            return step
        self.diagnostics.add(location, "a hook is one task")
        return None

    def _executor(self, value: dict[str, Any], location: YamlPath) -> Executor:
        executor = value.get("executor", "in_process")
        if executor not in ("in_process", "external"):
            self.diagnostics.add(
                (*location, "executor"),
                f"executor must be in_process or external, not {executor!r}",
            )
        return "external" if executor == "external" else "in_process"

    def _exclusive(self, value: dict[str, Any], location: YamlPath) -> bool:
        exclusive = value.get("exclusive", False)
        if not isinstance(exclusive, bool):
            self.diagnostics.add((*location, "exclusive"), "exclusive must be true or false")
        return exclusive is True

    def _ids(self, value: dict[str, Any], location: YamlPath) -> dict[str, dict[str, Any]]:
        ids = value.get("ids", {})
        if not isinstance(ids, dict):
            self.diagnostics.add(
                (*location, "ids"), "ids must be a mapping of vendors to their ids"
            )
            return {}
        for vendor, names in ids.items():
            if not isinstance(names, dict) or not all(map(_is_id, names.values())):
                reason = f"the ids of {vendor} must be a mapping of names to texts or numbers"
                self.diagnostics.add((*location, "ids", vendor), reason)
        return {vendor: names for vendor, names in ids.items() if isinstance(names, dict)}

    def _check_kept_keys(
        self, value: dict[str, Any], location: YamlPath, schema: str | None
    ) -> None:
        if "periodic" in value:
            check_periodic(value["periodic"], (*location, "periodic"), self.diagnostics, schema)
        if not is_retention(value.get("retention", {})):
            reason = (
                f"retention must be {{offset: a whole number}}, {KEEP_ALL_RUNS} to {MAX_KEPT_RUNS}"
            )
            self.diagnostics.add((*location, "retention"), reason)
        if not _is_rows(value.get("rows", "runs")):
            self.diagnostics.add((*location, "rows"), "rows must be runs or tasks")
        if not _is_queue(value.get("queue", "")):
            reason = "queue must be a name, or {default: name, customs: {task: name}}"
            self.diagnostics.add((*location, "queue"), reason)


def _is_rows(value: object) -> bool:
    return value in ("runs", "tasks")


def _is_id(value: object) -> bool:
    return type(value) in (str, int)


def _is_queue(value: object) -> bool:
    if not isinstance(value, dict):
        return isinstance(value, str)
    customs = value.get("customs", {})
    names = [value.get("default", ""), *(customs.values() if isinstance(customs, dict) else [None])]
    return all(isinstance(name, str) for name in names)
