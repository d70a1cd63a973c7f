"""Calls a task the way Celery Director does and says how it went, as one JSON object."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Mapping
from typing import Any, Final

from service.executors import sanitize
from service.tasks import Report, StatementError, TaskFunction, reporting

MAX_ANSWER_BYTES: Final = 1024 * 1024
"""Beyond it not even the refusal needs the whole answer; what is kept in the end is far less."""


def is_async(function: TaskFunction) -> bool:
    """Tell whether a task is a coroutine function."""
    return inspect.iscoroutinefunction(function)


def call(function: TaskFunction, message: Mapping[str, Any]) -> dict[str, Any]:
    """Run a blocking task to its end."""
    with reporting() as report:
        try:
            value = function(*message["arguments"], **_keywords(message))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises is its failure
            return _failed_with(error, report)
    return _succeeded(value, report)


async def call_async(function: TaskFunction, message: Mapping[str, Any]) -> dict[str, Any]:
    """Run an async task to its end. Being cancelled is passed on to the task and to the caller."""
    with reporting() as report:
        try:
            value = await function(*message["arguments"], **_keywords(message))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return _failed_with(error, report)  # nobody asked: something in it was cancelled
        except BaseException as error:  # noqa: BLE001 - even what would end the worker's loop
            return _failed_with(error, report)
    return _succeeded(value, report)


def failed(error: BaseException) -> dict[str, Any]:
    """Describe what a task raised."""
    described: dict[str, Any] = {
        "exception": sanitize.text(_said(error))[: sanitize.MAX_EXCEPTION] or type(error).__name__,
        "traceback": sanitize.text(
            "".join(traceback.format_exception(error))[-sanitize.MAX_TRACEBACK :]
        ),
    }
    if isinstance(error, StatementError):
        described |= _statement(error)
    return {"failure": described}


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an author's own `__str__`
        return ""


def _statement(error: StatementError) -> dict[str, Any]:
    statement, line = error.statement, error.line
    return {
        "statement": None
        if statement is None
        else sanitize.text(statement)[: sanitize.MAX_STATEMENT],
        "line": line if type(line) is int and abs(line) < 2**63 else None,
    }


def _keywords(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"payload": message["payload"], "workflow_id": message["workflow_id"]}


def _succeeded(value: object, report: Report) -> dict[str, Any]:
    # What the ledger cannot keep is the task's failure, as a value Celery cannot serialise is.
    try:
        return sanitize.json({"value": value, **_reported_to(report)}, MAX_ANSWER_BYTES)
    except sanitize.NotStorable as error:
        return {"failure": {"exception": f"the ledger cannot keep the task's result: {error}"}}


def _failed_with(error: BaseException, report: Report) -> dict[str, Any]:
    try:
        return failed(error) | sanitize.json(_reported_to(report), MAX_ANSWER_BYTES)
    except sanitize.NotStorable:
        return failed(error)


def _reported_to(report: Report) -> dict[str, Any]:
    return {
        "warnings": [sanitize.text(warning) for warning in report.warnings],
        "metrics": dict(report.metrics),
    }
