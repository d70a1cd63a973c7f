"""The end of an attempt as reported events, so bounded that the ledger takes them."""

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
"""A task's path, result, metrics and warnings; the log gets what they leave, always something."""


def reported_event(kind: str, step: PlanTask, data: dict[str, Any]) -> ReportedEvent:
    """Build a reported event about a task, with a new id."""
    return ReportedEvent(event_id=str(uuid4()), type=kind, task=step.path, data=data)


def ending(step: PlanTask, attempt: int, result: Result) -> list[ReportedEvent]:
    """State what an attempt came to: its output, then its end, for one append.

    A result that the ledger cannot keep is the attempt's failure; warnings that do not fit are
    counted.
    """
    result = _bounded(step, result)
    output = {
        "attempt": attempt,
        "result": result.value,
        "metrics": result.metrics,
        "warnings": result.warnings,
        "log": None if result.log is None else sanitize.text(result.log),
    }
    return [reported_event(types.TASK_OUTPUT_RECORDED, step, output), _end(step, result)]


def _end(step: PlanTask, result: Result) -> ReportedEvent:
    if result.cancelled:
        return reported_event(types.TASK_CANCELLED, step, {})
    if result.failure is not None:
        return reported_event(types.TASK_FAILED, step, _failed(result.failure))
    kind = types.TASK_WARNED if result.warnings else types.TASK_SUCCEEDED
    return reported_event(kind, step, {})


def _failed(failure: Failure) -> dict[str, Any]:
    return {
        "reason": failure.reason,
        "will_retry": True,  # if the plan has a retry left: the decider decides
        "exception": sanitize.text(failure.exception)[: sanitize.MAX_EXCEPTION],
        "traceback": _text(failure.traceback),
        "statement": (_text(failure.statement) or "")[: sanitize.MAX_STATEMENT] or None,
        "line": failure.line,
    }


def _text(value: str | None) -> str | None:
    return None if value is None else sanitize.text(value)


def _bounded(step: PlanTask, result: Result) -> Result:
    try:
        said = {"task": step.path, "result": result.value, "metrics": result.metrics}
        room = MAX_OUTPUT_BYTES - len(encode(sanitize.json(said, MAX_OUTPUT_BYTES)))
    except sanitize.NotStorable as error:
        failure = Failure(f"the ledger cannot keep the task's result: {error}")
        nothing = replace(result, value=None, metrics={}, failure=result.failure or failure)
        return _bounded(step, nothing)
    return replace(result, warnings=tuple(_fitting(result.warnings, room)))


def _fitting(warnings: tuple[str, ...], room: int) -> Iterable[str]:
    for number, warning in enumerate(map(sanitize.text, warnings)):
        room -= len(encode({"": warning}))
        if room < 0:
            yield f"and {len(warnings) - number} more warnings"
            return
        yield warning
