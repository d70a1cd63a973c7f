"""Calls a task the way Celery Director does and says how it went, as one JSON object."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Mapping
from typing import Any

from events import codec
from events.errors import InvalidEvent
from service.tasks import Report, StatementError, TaskFunction, reporting


def is_async(function: TaskFunction) -> bool:
    """Tell whether a task is a coroutine function."""
    return inspect.iscoroutinefunction(function)


def call(function: TaskFunction, message: Mapping[str, Any]) -> dict[str, Any]:
    """Run a blocking task to its end."""
    with reporting() as report:
        try:
            value = function(*message["arguments"], **_keywords(message))
        except Exception as error:  # noqa: BLE001 - whatever a task raises is its failure
            return failed(error) | _reported(report)
    return _checked({"value": value} | _reported(report))


async def call_async(function: TaskFunction, message: Mapping[str, Any]) -> dict[str, Any]:
    """Run an async task to its end. Being cancelled is passed on to the task and to the caller."""
    with reporting() as report:
        try:
            value = await function(*message["arguments"], **_keywords(message))
        except Exception as error:  # noqa: BLE001 - whatever a task raises is its failure
            return failed(error) | _reported(report)
    return _checked({"value": value} | _reported(report))


def failed(error: Exception) -> dict[str, Any]:
    """Describe what a task raised."""
    described: dict[str, Any] = {
        "exception": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }
    if isinstance(error, StatementError):
        described |= {"statement": error.statement, "line": error.line}
    return {"failure": described}


def _keywords(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"payload": message["payload"], "workflow_id": message["workflow_id"]}


def _reported(report: Report) -> dict[str, Any]:
    return {"warnings": list(report.warnings), "metrics": dict(report.metrics)}


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    # What the ledger cannot keep is the task's failure, as a value Celery cannot serialise is.
    try:
        return codec.decode(codec.encode(answer))
    except InvalidEvent as error:
        return failed(error)
