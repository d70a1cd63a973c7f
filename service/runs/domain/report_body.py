"""Checks the data of a reported event and builds the body to store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from events import types
from events.bodies import RunEndBody, RunStarted, TaskBody
from events.codec import encode
from service.runs.domain.commands import ReportedEvent
from service.runs.domain.state import RunState

MAX_BODY_BYTES: Final = 65_536
"""Bound of the encoded body; the beginning of a log or traceback is cut to fit."""

REASONS: Final = frozenset({"error", "timeout", "lost"})


def shape_error(event: ReportedEvent) -> str:
    """Say which member has a type that read models cannot use; empty if none has.

    A null counts as absent; unknown members are allowed.
    """
    data = event.data
    for name, (fits, wanted) in _SHAPES.items():
        value = data.get(name)
        if value is not None and not fits(value):
            return f"{name} is not {wanted}"
    return ""


def build_run_body(state: RunState, event: ReportedEvent) -> RunStarted | RunEndBody | None:
    """Build the body to store for an event about the run; None if it is too large.

    Members that the ledger does not know stay in it.
    """
    body = _without_nulls(event)
    if event.type == types.RUN_FAILED:
        body.setdefault("reason", state.reason or "error")
    return cast("RunStarted | RunEndBody | None", _truncate(body))


def build_task_body(
    state: RunState, event: ReportedEvent, path: str, retries: int
) -> TaskBody | None:
    """Build the body to store for an event about a task, as `build_run_body` does.

    ``path`` and ``retries`` are those of the task in the plan.
    """
    body = _without_nulls(event) | {"task": path, **_task_members(state, event, path, retries)}
    return cast("TaskBody | None", _truncate(body))


def _without_nulls(event: ReportedEvent) -> dict[str, Any]:
    data = event.data
    return {name: value for name, value in data.items() if value is not None or name not in _SHAPES}


def _task_members(state: RunState, event: ReportedEvent, path: str, retries: int) -> dict[str, Any]:
    task = state.tasks[path]
    match event.type:
        case types.TASK_STARTED:
            return {"attempt": task.attempt + 1}
        case types.TASK_OUTPUT_RECORDED:
            return {"attempt": task.attempt}
        case types.TASK_FAILED:
            data = event.data
            # Other platforms count their attempts themselves. A lost attempt uses up no retry.
            granted = (
                state.executor == "external"
                or data.get("given_back")
                or task.attempt - task.lost_attempts <= retries
            )
            again = bool(data.get("will_retry") and granted and state.status != "cancelling")
            return {"reason": data.get("reason") or "error", "will_retry": again}
        case _:
            return {}


def _truncate(body: dict[str, Any]) -> dict[str, Any] | None:
    excess = len(encode(body)) - MAX_BODY_BYTES
    for name in ("log", "traceback"):
        if excess > 0 and body.get(name):
            # Cutting n bytes of text cuts at least n bytes of JSON.
            tail = body[name].encode()[excess:].decode(errors="ignore")
            body = {**body, name: tail}
            excess = len(encode(body)) - MAX_BODY_BYTES
    return body if excess <= 0 else None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_line(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_reason(value: object) -> bool:
    return isinstance(value, str) and value in REASONS


def _is_texts(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value)


_SHAPES: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "reason": (_is_reason, "one of error, timeout, lost"),
    "will_retry": (_is_bool, "true or false"),
    "given_back": (_is_bool, "true or false"),
    "exception": (_is_text, "a text"),
    "traceback": (_is_text, "a text"),
    "statement": (_is_text, "a text"),
    "line": (_is_line, "an integer"),
    "metrics": (_is_object, "an object"),
    "warnings": (_is_texts, "a list of texts"),
    "log": (_is_text, "a text"),
}
