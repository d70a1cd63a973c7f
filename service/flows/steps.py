"""Reads the steps of a flow: tasks, and groups and chains of steps.

A step is `KEY`, or a mapping of one key: `KEY: {type: group, tasks: [...]}` (`group` or `chain`),
`KEY: {type: command, command: [...]}`, or `KEY: {retries: 2, timeout: 60}` for a Python task.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from service.flows.errors import Diagnostics, YamlPath
from service.flows.options import read_retries, read_timeout

MAX_KEY: Final = 255
"""Characters of a task's key and of a group's name (Celery Director's column is as wide)."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PYTHON_OPTIONS: Final = frozenset({"type", "retries", "timeout"})
_COMMAND_OPTIONS: Final = _PYTHON_OPTIONS | {"command", "environment", "directory"}


@dataclass(frozen=True, slots=True)
class TaskStep:
    """A task as written at ``location``; ``options`` are those that only a command has."""

    key: str
    location: YamlPath
    type: Literal["python", "command"] = "python"
    retries: int = 0
    timeout_s: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Container:
    """Steps under a name: those of a group run in parallel, those of a chain in sequence."""

    name: str
    type: Literal["group", "chain"]
    steps: tuple[Step, ...]


Step = TaskStep | Container


def tasks_of(steps: tuple[Step, ...]) -> Iterator[TaskStep]:
    """Iterate over all tasks of the steps, at any depth, in the order written."""
    for step in steps:
        if isinstance(step, TaskStep):
            yield step
        else:
            yield from tasks_of(step.steps)


def read_steps(value: object, location: YamlPath, diagnostics: Diagnostics) -> tuple[Step, ...]:
    """Read a list of steps; one with a mistake is left out."""
    if not isinstance(value, list) or not value:
        diagnostics.add(location, "tasks must be a list of at least one task")
        return ()
    steps = (read_step(item, (*location, index), diagnostics) for index, item in enumerate(value))
    return tuple(step for step in steps if step is not None)


def read_step(value: object, location: YamlPath, diagnostics: Diagnostics) -> Step | None:
    """Read one step; None where it has a mistake."""
    if isinstance(value, str):
        is_named = _check_name(value, location, diagnostics)
        return TaskStep(value, location) if is_named else None
    if not isinstance(value, dict) or len(value) != 1:
        diagnostics.add(location, "a task must be a name, or a mapping of one name to its options")
        return None
    ((key, options),) = value.items()
    location = (*location, key)
    if not isinstance(options, dict):
        diagnostics.add(location, f"the options of {key!r} must be a mapping")
        return None
    if not _check_name(key, location, diagnostics):
        return None
    return _read_options(key, options, location, diagnostics)


def _read_options(
    key: str, options: dict[str, Any], location: YamlPath, diagnostics: Diagnostics
) -> Step | None:
    match options.get("type", "python"):
        case "group" | "chain" as kind:
            steps = read_steps(options.get("tasks"), (*location, "tasks"), diagnostics)
            return Container(key, kind, steps)
        case "python":
            return _read_task(key, options, location, diagnostics)
        case "command":
            return _read_command(key, options, location, diagnostics)
        case other:
            message = f"the type of {key!r} must be group, chain, command or python, not {other!r}"
            diagnostics.add((*location, "type"), message)
            return None


def _read_task(
    key: str, options: dict[str, Any], location: YamlPath, diagnostics: Diagnostics
) -> TaskStep:
    _check_known(options, _PYTHON_OPTIONS, location, diagnostics)
    return TaskStep(
        key,
        location,
        retries=read_retries(options, location, diagnostics),
        timeout_s=read_timeout(options, location, diagnostics),
    )


def _read_command(
    key: str, options: dict[str, Any], location: YamlPath, diagnostics: Diagnostics
) -> TaskStep:
    _check_known(options, _COMMAND_OPTIONS, location, diagnostics)
    for name, (is_valid, expected) in _COMMAND_TYPES.items():
        if not is_valid(options.get(name)) and (name in options or name == "command"):
            diagnostics.add((*location, name), f"{name} of {key!r} must be {expected}")
    return TaskStep(
        key,
        location,
        type="command",
        retries=read_retries(options, location, diagnostics),
        timeout_s=read_timeout(options, location, diagnostics),
        options={name: options[name] for name in _COMMAND_TYPES if name in options},
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_command(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(map(_is_text, value))


def _is_environment(value: object) -> bool:
    return isinstance(value, dict) and all(
        key and "=" not in key and isinstance(text, str) for key, text in value.items()
    )


_COMMAND_TYPES: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "command": (_is_command, "a list of strings, the program first"),
    "environment": (_is_environment, "a mapping of names to strings (quote numbers)"),
    "directory": (_is_text, "a folder's name"),
}


def _check_known(
    options: dict[str, Any], known: frozenset[str], location: YamlPath, diagnostics: Diagnostics
) -> None:
    # Director's tasks have no options, so an unknown one is a slip. Its flows may have any keys.
    for name in options.keys() - known:
        message = f"unknown option {name!r} of a task; known are {', '.join(sorted(known))}"
        diagnostics.add((*location, name), message)


def _check_name(name: str, location: YamlPath, diagnostics: Diagnostics) -> bool:
    if 0 < len(name) <= MAX_KEY and not _CONTROL.search(name):
        return True
    message = f"a name must be 1 to {MAX_KEY} characters without control characters"
    diagnostics.add(location, message)
    return False
