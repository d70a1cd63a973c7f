"""Reads files of flows: each flow is checked and planned, or its mistakes are collected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from events.bodies import Executor, Hook
from projections.documents.flow import Plan
from service.flows import options
from service.flows.errors import Diagnostic, Diagnostics, FlowLoadError, YamlPath
from service.flows.payloads import read_schema
from service.flows.planner import plan_flow, plan_load
from service.flows.steps import TaskStep, read_step, read_steps, tasks_of
from service.flows.yaml import Document, read_document
from service.tasks import TaskLoadError, load_tasks

FILE_NAMES: Final = ("flows.yaml", "workflows.yml")
"""The files read from a folder: our name, and Celery Director's."""

MAX_FULLNAME: Final = 200

_HOOKS: Final[tuple[Hook, ...]] = ("success", "failure")


@dataclass(frozen=True, slots=True)
class FlowDefinition:
    """A flow as its file defines it.

    ``definition`` is the file's mapping as written, with the payload schema in place of its name;
    ``payload_schema`` is that schema as JSON text, its keys in the file's order; ``ids`` are a
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
    """Read the flows of a file, or of the `FILE_NAMES` in a folder, in order.

    The folders `tasks` and `schemas` are beside the file.

    Raises:
        FlowLoadError: with all mistakes of all files.

    """
    flows: list[FlowDefinition] = []
    diagnostics: list[Diagnostic] = []
    for file in _files(path):
        try:
            flows += load_file(file)
        except FlowLoadError as error:
            diagnostics += error.diagnostics
    diagnostics += _duplicates(flows)
    if diagnostics:
        raise FlowLoadError(diagnostics)
    return tuple(flows)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = [path / name for name in FILE_NAMES if (path / name).exists()]
    if not files:
        message = f"holds neither {' nor '.join(FILE_NAMES)}"
        raise FlowLoadError([Diagnostic(str(path), 1, message)])
    return files


def _duplicates(flows: Iterable[FlowDefinition]) -> list[Diagnostic]:
    first: dict[str, FlowDefinition] = {}
    diagnostics = []
    for flow in flows:
        other = first.setdefault(flow.fullname, flow)
        if other is not flow:
            message = f"flow {flow.fullname} is already defined in {other.file}:{other.line}"
            diagnostics.append(Diagnostic(flow.file, flow.line, message))
    return diagnostics


def load_file(file: Path) -> list[FlowDefinition]:
    """Read the flows of one file.

    Raises:
        FlowLoadError: with all mistakes of the file.

    """
    document = read_document(file)
    diagnostics = Diagnostics(str(file), document.lines)
    if not isinstance(document.value, dict) or not document.value:
        diagnostics.add((), "must be a mapping of flows: project.NAME to its definition")
        raise FlowLoadError(diagnostics.collected)
    reader = _FlowReader(file, diagnostics, _task_names(file.parent))
    flows = [flow for name in document.value if (flow := reader.flow(name, document)) is not None]
    if diagnostics.collected:
        raise FlowLoadError(diagnostics.collected)
    return flows


def _task_names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(load_tasks(folder / "tasks"))
    except TaskLoadError as error:
        diagnostic = Diagnostic(str(error.file), error.line or 1, error.reason)
        raise FlowLoadError([diagnostic]) from error


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
        flow = (value, location, self.diagnostics)
        executor = options.read_executor(*flow)
        ids = options.read_ids(*flow)
        schema, text = read_schema(self.file.parent, *flow)
        options.check_list_options(*flow)
        if "periodic" in value:
            periodic = (*location, "periodic")
            options.check_periodic(value["periodic"], periodic, self.diagnostics, text)
        return FlowDefinition(
            fullname=fullname,
            file=self.diagnostics.file,
            line=self.diagnostics.line(location),
            definition=value if text is None else value | {"schema": schema},
            plan=self._plan(value, location, executor),
            executor=executor,
            exclusive=options.read_exclusive(*flow),
            timeout_s=options.read_timeout(*flow),
            payload_schema=text,
            ids=ids,
            id_lines={vendor: self.diagnostics.line((*location, "ids", vendor)) for vendor in ids},
        )

    def _check_name(self, fullname: str, location: YamlPath) -> None:
        project, _, name = fullname.partition(".")
        if not project or not name:
            message = f"{fullname!r} must be a project and a name: project.NAME"
            self.diagnostics.add(location, message)
        if len(fullname) > MAX_FULLNAME or not fullname.isprintable():
            message = f"a flow's name must be 1 to {MAX_FULLNAME} printable characters"
            self.diagnostics.add(location, message)

    def _plan(self, value: dict[str, Any], location: YamlPath, executor: Executor) -> Plan:
        steps = read_steps(value.get("tasks"), (*location, "tasks"), self.diagnostics)
        hooks = self._hooks(value.get("hooks", {}), (*location, "hooks"))
        if executor == "in_process":
            self._check_known([*tasks_of(steps), *hooks.values()])
        retries, retry_delay_s = options.read_run_retries(value, location, self.diagnostics)
        plan = replace(plan_flow(steps, hooks), retries=retries, retry_delay_s=retry_delay_s)
        if "load_plan" not in value:
            return plan
        load_plan = (*location, "load_plan")
        return replace(
            plan, groups=plan_load(value["load_plan"], load_plan, plan, self.diagnostics)
        )

    def _check_known(self, tasks: list[TaskStep]) -> None:
        for task in tasks:
            if task.type == "python" and task.key not in self.known_tasks:
                similar = difflib.get_close_matches(task.key, self.known_tasks, n=1)
                hint = f"; did you mean {similar[0]!r}?" if similar else ""
                folder = self.file.parent / "tasks"
                message = f"unknown task {task.key!r}: not in {folder}{hint}"
                self.diagnostics.add(task.location, message)

    def _hooks(self, value: object, location: YamlPath) -> dict[Hook, TaskStep]:
        if not isinstance(value, dict):
            message = "hooks must be a mapping of success and failure to a task"
            self.diagnostics.add(location, message)
            return {}
        # As in Director, a hook with an empty value is left out.
        hooks = {
            hook: self._hook(value[hook], (*location, hook)) for hook in _HOOKS if value.get(hook)
        }
        return {hook: step for hook, step in hooks.items() if step is not None}

    def _hook(self, value: object, location: YamlPath) -> TaskStep | None:
        step = read_step(value, location, self.diagnostics)
        if step is None or isinstance(step, TaskStep):
            return step
        self.diagnostics.add(location, f"a hook must be one task, not a {step.type}")
        return None
