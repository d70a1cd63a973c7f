"""Calls a task as Celery Director does; returns its result or failure as a JSON object."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Mapping
from typing import Any, Final

from service.executors import sanitize
from service.tasks import Report, StatementError, TaskFunction, reporting

MAX_RESPONSE_BYTES: Final = 1024 * 1024
"""Bounds what a child sends; the ledger keeps far less of it (`attempt_result`)."""


def is_async(function: TaskFunction) -> bool:
    """Tell whether a task is a coroutine function."""
    return inspect.iscoroutinefunction(function)


def invoke(function: TaskFunction, message: Mapping[str, Any]) -> dict[str, Any]:
    """Run a blocking task to its end."""
    with reporting() as report:
        try:
            value = function(*message["arguments"], **_keyword_arguments(message))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - any exception is the task's failure
            return _failed(error, report)
    return _succeeded(value, report)


async def invoke_async(function: TaskFunction, message: Mapping[str, Any]) -> dict[str, Any]:
    """Run an async task to its end; cancelling the caller cancels the task."""
    with reporting() as report:
        try:
            value = await function(*message["arguments"], **_keyword_arguments(message))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return _failed(error, report)  # the task cancelled itself
        except BaseException as error:  # noqa: BLE001 - even what would end the worker's loop
            return _failed(error, report)
    return _succeeded(value, report)


def describe_failure(error: BaseException) -> dict[str, Any]:
    """Describe an exception of a task."""
    message = sanitize.text(_message_of(error))[: sanitize.MAX_EXCEPTION]
    lines = "".join(traceback.format_exception(error))[-sanitize.MAX_TRACEBACK :]
    described: dict[str, Any] = {
        "exception": message or type(error).__name__,
        "traceback": sanitize.text(lines),
    }
    if isinstance(error, StatementError):
        described |= _statement_fields(error)
    return {"failure": described}


def _message_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an author's own `__str__`
        return ""


def _statement_fields(error: StatementError) -> dict[str, Any]:
    statement, line = error.statement, error.line
    return {
        "statement": None
        if statement is None
        else sanitize.text(statement)[: sanitize.MAX_STATEMENT],
        "line": line if type(line) is int and abs(line) < 2**63 else None,
    }


def _keyword_arguments(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"payload": message["payload"], "workflow_id": message["workflow_id"]}


def _succeeded(value: object, report: Report) -> dict[str, Any]:
    # As with a value that Celery cannot serialise, an unstorable result fails the task.
    try:
        return sanitize.json({"value": value, **_report_fields(report)}, MAX_RESPONSE_BYTES)
    except sanitize.NotStorable as error:
        return {"failure": {"exception": f"the ledger cannot keep the task's result: {error}"}}


def _failed(error: BaseException, report: Report) -> dict[str, Any]:
    try:
        return describe_failure(error) | sanitize.json(_report_fields(report), MAX_RESPONSE_BYTES)
    except sanitize.NotStorable:
        return describe_failure(error)


def _report_fields(report: Report) -> dict[str, Any]:
    return {
        "warnings": [sanitize.text(warning) for warning in report.warnings],
        "metrics": dict(report.metrics),
    }
