"""Makes the events that report the end of an attempt, within the ledger's bounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from events import types
from events.codec import encode
from projections.documents.flow import PlanTask
from service.executors import sanitize
from service.executors.executor import Failure, Result
from service.runs.domain.commands import ReportedEvent
from service.runs.domain.report_body import MAX_BODY_BYTES

MAX_OUTPUT_BYTES: Final = MAX_BODY_BYTES - 4096
"""Bytes of a task's path, result, metrics and warnings; the rest of the body is for its log."""


def reported_event(kind: str, step: PlanTask, data: dict[str, Any]) -> ReportedEvent:
    """Build a reported event about a task, with a new id."""
    return ReportedEvent(event_id=str(uuid4()), type=kind, task=step.path, data=data)


def result_events(step: PlanTask, attempt: int, result: Result) -> list[ReportedEvent]:
    """Make the events of an attempt's output and end, for one append.

    A result that the ledger cannot store fails the attempt. Warnings that do not fit are counted.
    """
    result = _bounded(step, result)
    output = {
        "attempt": attempt,
        "result": result.value,
        "metrics": result.metrics,
        "warnings": result.warnings,
        "log": None if result.log is None else sanitize.text(result.log),
    }
    return [reported_event(types.TASK_OUTPUT_RECORDED, step, output), _end_event(step, result)]


def _end_event(step: PlanTask, result: Result) -> ReportedEvent:
    if result.cancelled:
        return reported_event(types.TASK_CANCELLED, step, {})
    if result.failure is not None:
        return reported_event(types.TASK_FAILED, step, _failure_data(result.failure))
    kind = types.TASK_WARNED if result.warnings else types.TASK_SUCCEEDED
    return reported_event(kind, step, {})


def _failure_data(failure: Failure) -> dict[str, Any]:
    return {
        "reason": failure.reason,
        "will_retry": True,  # unless the plan has no retry left: the decider decides
        "exception": sanitize.text(failure.exception)[: sanitize.MAX_EXCEPTION],
        "traceback": _text(failure.traceback),
        "statement": (_text(failure.statement) or "")[: sanitize.MAX_STATEMENT] or None,
        "line": failure.line,
    }


def _text(value: str | None) -> str | None:
    return None if value is None else sanitize.text(value)


def _bounded(step: PlanTask, result: Result) -> Result:
    try:
        body = {"task": step.path, "result": result.value, "metrics": result.metrics}
        remaining = MAX_OUTPUT_BYTES - len(encode(sanitize.json(body, MAX_OUTPUT_BYTES)))
    except sanitize.NotStorable as error:
        failure = Failure(f"the ledger cannot keep the task's result: {error}")
        without_value = replace(result, value=None, metrics={}, failure=result.failure or failure)
        return _bounded(step, without_value)
    return replace(result, warnings=tuple(_fitting_warnings(result.warnings, remaining)))


def _fitting_warnings(warnings: tuple[str, ...], remaining: int) -> Iterable[str]:
    for number, warning in enumerate(map(sanitize.text, warnings)):
        remaining -= len(encode({"": warning}))
        if remaining < 0:
            yield f"and {len(warnings) - number} more warnings"
            return
        yield warning
