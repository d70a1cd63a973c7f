"""The definitions of flows in their files: read, checked and planned, or refused by line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from events.bodies import Executor, Hook
from projections.documents.flow import Plan
from service.flows.errors import At, Findings, LoadRefused, Refusal
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
        LoadRefused: with everything that is wrong, in every file.

    """
    found: list[FlowDefinition] = []
    refusals: list[Refusal] = []
    for file in _files(path):
        try:
            found += load_file(file)
        except LoadRefused as error:
            refusals += error.refusals
    refusals += _twice(found)
    if refusals:
        raise LoadRefused(refusals)
    return tuple(found)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = [path / name for name in FILE_NAMES if (path / name).exists()]
    if not files:
        raise LoadRefused([Refusal(str(path), 1, f"holds neither {' nor '.join(FILE_NAMES)}")])
    return files


def _twice(found: list[FlowDefinition]) -> list[Refusal]:
    first: dict[str, FlowDefinition] = {}
    refusals = []
    for flow in found:
        other = first.setdefault(flow.fullname, flow)
        if other is not flow:
            reason = f"flow {flow.fullname} is defined in {other.file}:{other.line} too"
            refusals.append(Refusal(flow.file, flow.line, reason))
    return refusals


def load_file(file: Path) -> list[FlowDefinition]:
    """Read the flows of one file.

    Raises:
        LoadRefused: with everything that is wrong in it.

    """
    document = read_document(file)
    if not isinstance(document.value, dict) or not document.value:
        line = Findings(str(file), document.lines).line(())
        reason = "must be a mapping of flows: project.NAME to its definition"
        raise LoadRefused([Refusal(str(file), line, reason)])
    reading = _Reading(file, Findings(str(file), document.lines), _task_names(file.parent))
    flows = [flow for name in document.value if (flow := reading.flow(name, document)) is not None]
    if reading.findings.refusals:
        raise LoadRefused(reading.findings.refusals)
    return flows


def _task_names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(load_tasks(folder / "tasks"))
    except TaskLoadError as error:
        raise LoadRefused([Refusal(str(error.file), error.line or 1, error.reason)]) from error


@dataclass(frozen=True, slots=True)
class _Reading:
    file: Path
    findings: Findings
    known: frozenset[str]

    def flow(self, fullname: str, document: Document) -> FlowDefinition | None:
        at: At = (fullname,)
        value = document.value[fullname]
        self._check_name(fullname, at)
        if not isinstance(value, dict):
            self.findings.refuse(at, f"{fullname} must be a mapping with its tasks")
            return None
        executor = self._executor(value, at)
        ids = self._ids(value, at)
        schema, text = read_schema(self.file.parent, value, at, self.findings)
        self._check_kept_keys(value, at, text)
        return FlowDefinition(
            fullname=fullname,
            file=self.findings.file,
            line=self.findings.line(at),
            definition=value if text is None else value | {"schema": schema},
            plan=self._plan(value, at, executor),
            executor=executor,
            exclusive=self._exclusive(value, at),
            timeout_s=read_timeout(value, at, self.findings),
            payload_schema=text,
            ids=ids,
            id_lines={vendor: self.findings.line((*at, "ids", vendor)) for vendor in ids},
        )

    def _check_name(self, fullname: str, at: At) -> None:
        project, _, name = fullname.partition(".")
        if not project or not name:
            self.findings.refuse(at, f"{fullname!r} must be a project and a name: project.NAME")
        if len(fullname) > MAX_FULLNAME or not fullname.isprintable():
            self.findings.refuse(at, f"a flow's name is 1 to {MAX_FULLNAME} printable characters")

    def _plan(self, value: dict[str, Any], at: At, executor: Executor) -> Plan:
        steps = read_steps(value.get("tasks"), (*at, "tasks"), self.findings)
        hooks = self._hooks(value.get("hooks", {}), (*at, "hooks"))
        if executor == "in_process":
            self._check_known([*tasks_of(steps), *hooks.values()])
        retries, retry_delay_s = read_retrying(value, at, self.findings)
        plan = replace(plan_flow(steps, hooks), retries=retries, retry_delay_s=retry_delay_s)
        if "load_plan" not in value:
            return plan
        groups = plan_load(value["load_plan"], (*at, "load_plan"), plan, self.findings)
        return replace(plan, groups=groups)

    def _check_known(self, tasks: list[TaskStep]) -> None:
        for task in tasks:
            if task.type == "python" and task.key not in self.known:
                near = difflib.get_close_matches(task.key, self.known, n=1)
                hint = f", perhaps {near[0]!r}" if near else ""
                folder = self.file.parent / "tasks"
                self.findings.refuse(task.at, f"unknown task {task.key!r}: not in {folder}{hint}")

    def _hooks(self, value: object, at: At) -> dict[Hook, TaskStep]:
        if not isinstance(value, dict):
            self.findings.refuse(at, "hooks must be a mapping of success and failure to a task")
            return {}
        # A hook without a task is none, as in Director.
        hooks = {hook: self._hook(value[hook], (*at, hook)) for hook in _HOOKS if value.get(hook)}
        return {hook: step for hook, step in hooks.items() if step is not None}

    def _hook(self, value: object, at: At) -> TaskStep | None:
        step = read_step(value, at, self.findings)
        if step is None or isinstance(step, TaskStep):
            return step
        self.findings.refuse(at, "a hook is one task")
        return None

    def _executor(self, value: dict[str, Any], at: At) -> Executor:
        executor = value.get("executor", "in_process")
        if executor not in ("in_process", "external"):
            self.findings.refuse(
                (*at, "executor"), f"executor must be in_process or external, not {executor!r}"
            )
        return "external" if executor == "external" else "in_process"

    def _exclusive(self, value: dict[str, Any], at: At) -> bool:
        exclusive = value.get("exclusive", False)
        if not isinstance(exclusive, bool):
            self.findings.refuse((*at, "exclusive"), "exclusive must be true or false")
        return exclusive is True

    def _ids(self, value: dict[str, Any], at: At) -> dict[str, dict[str, Any]]:
        ids = value.get("ids", {})
        if not isinstance(ids, dict):
            self.findings.refuse((*at, "ids"), "ids must be a mapping of vendors to their ids")
            return {}
        for vendor, names in ids.items():
            if not isinstance(names, dict) or not all(map(_is_id, names.values())):
                reason = f"the ids of {vendor} must be a mapping of names to texts or numbers"
                self.findings.refuse((*at, "ids", vendor), reason)
        return {vendor: names for vendor, names in ids.items() if isinstance(names, dict)}

    def _check_kept_keys(self, value: dict[str, Any], at: At, schema: str | None) -> None:
        if "periodic" in value:
            check_periodic(value["periodic"], (*at, "periodic"), self.findings, schema)
        if not is_retention(value.get("retention", {})):
            reason = (
                f"retention must be {{offset: a whole number}}, {KEEP_ALL_RUNS} to {MAX_KEPT_RUNS}"
            )
            self.findings.refuse((*at, "retention"), reason)
        if not _is_rows(value.get("rows", "runs")):
            self.findings.refuse((*at, "rows"), "rows must be runs or tasks")
        if not _is_queue(value.get("queue", "")):
            reason = "queue must be a name, or {default: name, customs: {task: name}}"
            self.findings.refuse((*at, "queue"), reason)


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
