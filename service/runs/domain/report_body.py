"""What a reported fact may say, and the body of the event that keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from events import types
from events.bodies import RunEndBody, RunStarted, TaskBody
from events.codec import encode
from service.runs.domain.commands import Fact
from service.runs.domain.state import RunState

MAX_BODY_BYTES: Final = 65_536
"""The encoded body of a reported event; longer logs and tracebacks lose their head."""

REASONS: Final = frozenset({"error", "timeout", "lost"})


def misshapen(fact: Fact) -> str:
    """Say what in a fact's data is not of the shape that read models rely on, or nothing.

    Null is as good as absent; names that are not known are kept as they are.
    """
    for name, (fits, wanted) in _SHAPES.items():
        value = fact.data.get(name)
        if value is not None and not fits(value):
            return f"{name} is not {wanted}"
    return ""


def run_body_of(state: RunState, fact: Fact) -> RunStarted | RunEndBody | None:
    """Write the body of the event that keeps a fact about the run, or None where it is too large.

    Members that the ledger does not know stay in it.
    """
    body = _known(fact)
    if fact.type == types.RUN_FAILED:
        body.setdefault("reason", state.reason or "error")
    return cast("RunStarted | RunEndBody | None", _bounded(body))


def task_body_of(state: RunState, fact: Fact, path: str, retries: int) -> TaskBody | None:
    """Write the body of the event that keeps a fact about a task, as `run_body_of` does.

    ``path`` and ``retries`` are the task's in the plan.
    """
    body = _known(fact) | {"task": path, **_of_task(state, fact, path, retries)}
    return cast("TaskBody | None", _bounded(body))


def _known(fact: Fact) -> dict[str, Any]:
    return {
        name: value for name, value in fact.data.items() if value is not None or name not in _SHAPES
    }


def _of_task(state: RunState, fact: Fact, path: str, retries: int) -> dict[str, Any]:
    task = state.tasks[path]
    match fact.type:
        case types.TASK_STARTED:
            return {"attempt": task.attempt + 1}
        case types.TASK_OUTPUT_RECORDED:
            return {"attempt": task.attempt}
        case types.TASK_FAILED:
            # Tries elsewhere are not ours to count; a lost one costs a task none of its own.
            granted = (
                state.executor == "external"
                or fact.data.get("given_back")
                or task.attempt - task.losses <= retries
            )
            again = bool(fact.data.get("will_retry") and granted and state.status != "cancelling")
            return {"reason": fact.data.get("reason") or "error", "will_retry": again}
        case _:
            return {}


def _bounded(body: dict[str, Any]) -> dict[str, Any] | None:
    excess = len(encode(body)) - MAX_BODY_BYTES
    for name in ("log", "traceback"):
        if excess > 0 and body.get(name):
            # A byte of text is at least a byte of JSON.
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
