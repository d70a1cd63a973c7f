"""What a reporter told in the body of an event, read as what we show it as.

A reporter's data is trusted to be JSON and nothing more: what has another form is shown plainly.
"""

from __future__ import annotations

from typing import Any, TypedDict

import orjson

from events.bodies import FailureReason, RunFailed, TaskFailed


class Failure(TypedDict):
    """Why something failed, as far as was told."""

    reason: FailureReason
    exception: str | None
    traceback: str | None
    statement: str | None
    line: int | None


def failure(body: RunFailed | TaskFailed) -> Failure:
    """Read why something failed from the body of its event."""
    return {
        "reason": reason_of(body),
        "exception": text(body.get("exception")),
        "traceback": text(body.get("traceback")),
        "statement": text(body.get("statement")),
        "line": integer(body.get("line")),
    }


def reason_of(body: RunFailed | TaskFailed) -> FailureReason:
    """Read the reason of a failure; an error where none of the others was told."""
    reason = body.get("reason")
    return reason if reason in ("timeout", "lost") else "error"


def integer(value: object) -> int | None:
    """Read an integer; anything else is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text(value: object) -> str | None:
    """Read a text from what a reporter sent: other JSON becomes its own text.

    >>> text({"code": 7})
    '{"code":7}'
    """
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def texts(value: object) -> list[str]:
    """Read a list of texts from what a reporter sent; a single value is a list of one.

    >>> texts(["late", 3])
    ['late', '3']
    >>> texts("late")
    ['late']
    """
    values = value if isinstance(value, list) else [value]
    return [found for each in values if (found := text(each)) is not None]


def mapping(value: object) -> dict[str, Any]:
    """Read an object from what a reporter sent; anything else stands under ``value``.

    >>> mapping([1, 2])
    {'value': [1, 2]}
    """
    return value if isinstance(value, dict) else {"value": value}
