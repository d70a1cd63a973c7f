"""Reads what reporters put into bodies, as the values that documents have.

A body is only known to be JSON: a value of another type than its member has is converted.
"""

from __future__ import annotations

from typing import Any, TypedDict

import orjson

from events.bodies import FailureReason, RunFailed, TaskFailed


class Failure(TypedDict):
    """Why a run or a task failed; None where the reporter said nothing."""

    reason: FailureReason
    exception: str | None
    traceback: str | None
    statement: str | None
    line: int | None


def failure(body: RunFailed | TaskFailed) -> Failure:
    """Read the failure of a run or a task from the body of its event."""
    return {
        "reason": reason_of(body),
        "exception": text(body.get("exception")),
        "traceback": text(body.get("traceback")),
        "statement": text(body.get("statement")),
        "line": integer(body.get("line")),
    }


def reason_of(body: RunFailed | TaskFailed) -> FailureReason:
    """Read the reason of a failure; ``error`` unless it is another one that is known."""
    reason = body.get("reason")
    return reason if reason in ("timeout", "lost") else "error"


def integer(value: object) -> int | None:
    """Read an integer; None for any other value."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text(value: object) -> str | None:
    """Read a text; another value becomes its JSON.

    >>> text({"code": 7})
    '{"code":7}'
    """
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def texts(value: object) -> list[str]:
    """Read a list of texts; a single value becomes a list of one.

    >>> texts(["late", 3])
    ['late', '3']
    >>> texts("late")
    ['late']
    """
    values = value if isinstance(value, list) else [value]
    return [found for each in values if (found := text(each)) is not None]


def mapping(value: object) -> dict[str, Any]:
    """Read an object; another value becomes its member ``value``.

    >>> mapping([1, 2])
    {'value': [1, 2]}
    """
    return value if isinstance(value, dict) else {"value": value}
