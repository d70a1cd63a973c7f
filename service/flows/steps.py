"""The steps of a flow as its file writes them: tasks, and groups and chains of steps.

A step is `KEY`, or a mapping of one key: `KEY: {type: group, tasks: [...]}` (`group` or `chain`),
`KEY: {type: command, command: [...]}`, or `KEY: {retries: 2, timeout: 60}` for a Python task.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from service.flows.errors import Diagnostics, YamlPath

MAX_KEY: Final = 255
"""Characters of a task's key and of a group's name (Celery Director's column is as wide)."""

MAX_RETRIES: Final = 100
MAX_TIMEOUT_S: Final = 366 * 24 * 3600

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PYTHON_OPTIONS: Final = frozenset({"type", "retries", "timeout"})
_COMMAND_OPTIONS: Final = _PYTHON_OPTIONS | {"command", "environment", "directory"}


@dataclass(frozen=True, slots=True)
class TaskStep:
    """A task as it is written, at ``at`` in its file; ``options`` are a command's own."""

    key: str
    location: YamlPath
    type: Literal["python", "command"] = "python"
    retries: int = 0
    timeout_s: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Container:
    """Steps under a name: a group's run side by side, a chain's one after the other."""

    name: str
    type: Literal["group", "chain"]
    steps: tuple[Step, ...]


Step = TaskStep | Container


def tasks_of(steps: tuple[Step, ...]) -> Iterator[TaskStep]:
    """Go through all tasks of the steps, at any depth, in the order they are written."""
    for step in steps:
        if isinstance(step, TaskStep):
            yield step
        else:
            yield from tasks_of(step.steps)


def read_steps(value: object, location: YamlPath, diagnostics: Diagnostics) -> tuple[Step, ...]:
    """Read a list of steps; what is wrong goes into ``diagnostics`` and is left out."""
    if not isinstance(value, list) or not value:
        diagnostics.add(location, "tasks must be a list of at least one task")
        return ()
    steps = (read_step(item, (*location, index), diagnostics) for index, item in enumerate(value))
    return tuple(step for step in steps if step is not None)


def read_step(value: object, location: YamlPath, diagnostics: Diagnostics) -> Step | None:
    """Read one step; None where it is refused."""
    if isinstance(value, str):
        return TaskStep(value, location) if _is_name(value, location, diagnostics) else None
    if not isinstance(value, dict) or len(value) != 1:
        diagnostics.add(location, "a task is a name, or a mapping of one name to its options")
        return None
    ((key, options),) = value.items()
    location = (*location, key)
    if not isinstance(options, dict):
        diagnostics.add(location, f"the options of {key!r} must be a mapping")
        return None
    if not _is_name(key, location, diagnostics):
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
            known = "group, chain, command or python"
            diagnostics.add(
                (*location, "type"), f"the type of {key!r} must be {known}, not {other!r}"
            )
            return None


def _read_task(
    key: str, options: dict[str, Any], location: YamlPath, diagnostics: Diagnostics
) -> TaskStep:
    _refuse_unknown(options, _PYTHON_OPTIONS, location, diagnostics)
    return TaskStep(
        key,
        location,
        retries=read_retries(options, location, diagnostics),
        timeout_s=read_timeout(options, location, diagnostics),
    )


def _read_command(
    key: str, options: dict[str, Any], location: YamlPath, diagnostics: Diagnostics
) -> TaskStep:
    _refuse_unknown(options, _COMMAND_OPTIONS, location, diagnostics)
    for name, (is_right, wanted) in _COMMAND_TYPES.items():
        if not is_right(options.get(name)) and (name in options or name == "command"):
            diagnostics.add((*location, name), f"{name} of {key!r} must be {wanted}")
    return TaskStep(
        key,
        location,
        type="command",
        retries=read_retries(options, location, diagnostics),
        timeout_s=read_timeout(options, location, diagnostics),
        options={name: options[name] for name in _COMMAND_TYPES if name in options},
    )


def read_retries(options: Mapping[str, Any], location: YamlPath, diagnostics: Diagnostics) -> int:
    """Read how often a failed task, or a failed run, is tried again."""
    value = options.get("retries", 0)
    if type(value) is int and 0 <= value <= MAX_RETRIES:
        return value
    diagnostics.add((*location, "retries"), f"retries must be a whole number of 0 to {MAX_RETRIES}")
    return 0


def read_timeout(
    options: Mapping[str, Any], location: YamlPath, diagnostics: Diagnostics
) -> float | None:
    """Read a timeout in seconds; None where there is none."""
    if "timeout" not in options:
        return None
    value = options["timeout"]
    if type(value) in (int, float) and 0 < value <= MAX_TIMEOUT_S:
        return float(value)
    diagnostics.add(
        (*location, "timeout"), f"timeout must be seconds, above 0 and at most {MAX_TIMEOUT_S}"
    )
    return None


def read_retrying(
    value: Mapping[str, Any], location: YamlPath, diagnostics: Diagnostics
) -> tuple[int, float]:
    """Read how many runs of a flow follow a failed one, and after how many seconds each."""
    retries, delay = read_retries(value, location, diagnostics), value.get("retry_delay", 0)
    if type(delay) not in (int, float) or not 0 <= delay <= MAX_TIMEOUT_S:
        reason = f"retry_delay must be seconds, at least 0 and at most {MAX_TIMEOUT_S}"
        diagnostics.add((*location, "retry_delay"), reason)
        return retries, 0.0
    if delay and not value.get("retries"):
        diagnostics.add(
            (*location, "retry_delay"), "retry_delay needs retries: how often to try again"
        )
    return retries, float(delay)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_command(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(map(_is_text, value))


def _is_environment(value: object) -> bool:
    return isinstance(value, dict) and all(
        key and "=" not in key and isinstance(text, str) for key, text in value.items()
    )


_COMMAND_TYPES: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "command": (_is_command, "a list of texts, the program first"),
    "environment": (_is_environment, "a mapping of names to texts (quote numbers)"),
    "directory": (_is_text, "a folder's name"),
}


def _refuse_unknown(
    options: dict[str, Any], known: frozenset[str], location: YamlPath, diagnostics: Diagnostics
) -> None:
    # Unlike a flow's own keys these are not Director's: an unknown one can only be a slip.
    for name in options.keys() - known:
        diagnostics.add(
            (*location, name),
            f"unknown option {name!r} of a task; known are {', '.join(sorted(known))}",
        )


def _is_name(name: str, location: YamlPath, diagnostics: Diagnostics) -> bool:
    if 0 < len(name) <= MAX_KEY and not _CONTROL.search(name):
        return True
    diagnostics.add(location, f"a name is 1 to {MAX_KEY} characters without control characters")
    return False
