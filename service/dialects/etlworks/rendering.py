"""Renders runs as Etlworks' executions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from events.bodies import Trigger
from projections.documents.run import ExecutionDocument, RunDocument, RunFailure
from projections.documents.task import WorkflowDocument
from service.dialects.etlworks.ids import message_id
from service.dialects.etlworks.statuses import START_CODES, WORDS, Words

TRIGGER_TYPES: Final[Mapping[Trigger, str | None]] = {
    "on_demand": "flow.execution.on.demand",
    "retry": "flow.execution.on.demand",
    "schedule": "flow.execution.scheduler",
    "message": None,
}
_REASONS: Final[Mapping[str, str]] = {
    "timeout": "Execution timed out",
    "lost": "Execution lost: its worker stopped answering",
}
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def execution(run: ExecutionDocument, words: Words = WORDS) -> dict[str, Any]:
    """Render a run with all 23 fields, null if not applicable; times in epoch milliseconds.

    Source: support.etlworks.com, "Get Flow status API".
    """
    attempt = run["attempt"]
    started = run["created_us"] if run["started_us"] is None else run["started_us"]
    rendered = {
        "auditId": run["run_number"],
        "parentAuditId": run["root_run_number"] if attempt > 1 else None,
        "retries": attempt - 1 or None,
        "flowId": run["flow_ids"]["etlworks"]["flowId"],
        "flowName": run["fullname"],
        "eventId": None,
        "eventName": None,
        "messageId": message_id(run),
        "tenantId": None,
        "status": words[run["status"]],
        "triggerType": TRIGGER_TYPES[run["trigger"]],
        "startedBy": "scheduler" if run["trigger"] == "schedule" else run["started_by"],
        "started": started // 1000,
    }
    ended = run["ended_us"]
    return rendered | (_NO_END if ended is None else _end(run, started, ended)) | _UNUSED


def started(run: RunDocument) -> dict[str, Any]:
    """Render the answer to a start; ``messageUuid`` is set if a message started the run.

    Source: support.etlworks.com, "Run Flow by ID API".
    """
    return {
        "flowId": run["flow_ids"]["etlworks"]["flowId"],
        "messageUuid": message_id(run),
        "auditId": run["run_number"],
        "status": START_CODES[run["status"]],
        "exception": exception(run),
    }


_UNUSED: Final = {"fileName": None, "records": 1}
"""Two fields that the vendor documents as unused; typed clients fail on a null ``records``."""

_NO_END: Final = dict.fromkeys(
    (
        "ended",
        "duration",
        "code",
        "exception",
        "warnings",
        "metrics",
        "fileMetrics",
        "errorLocationInSql",
    )
)


def _end(run: ExecutionDocument, started_us: int, ended_us: int) -> dict[str, Any]:
    error = run["error"]
    return {
        "ended": ended_us // 1000,
        "duration": duration((ended_us - started_us) // 1_000_000),
        "code": error and error["statement"],
        "exception": exception(run),
        "warnings": warnings(run),
        "metrics": run["metrics"] or None,
        "fileMetrics": None,
        "errorLocationInSql": error and error["line"],
    }


def log(run: WorkflowDocument) -> str:
    """Put together what a run's tasks have printed, as far as it is logged, in the plan's order.

    Each task that printed has a line with its path and state before it.
    """
    return "".join(
        f"=== {task['path']} ({task['status']})\n{log.rstrip()}\n"
        for task in run["tasks"]
        if (log := task["log"])
    )


def duration(seconds: int) -> str:
    """Format a duration in words: units that are not zero, the largest first.

    >>> duration(3605), duration(62), duration(1), duration(0)
    ('1 hour 5 seconds', '1 minute 2 seconds', '1 second', '0 seconds')
    """
    parts = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}" if count == 1 else f"{count} {unit}s")
    return " ".join(parts) or "0 seconds"


def warnings(run: RunDocument) -> str | None:
    """Join a run's warnings, a line each; a warned run always has one."""
    if run["warnings"]:
        return "\n".join(run["warnings"])
    return "Finished with warnings" if run["status"] == "warned" else None


def exception(run: RunDocument) -> str | None:
    """Describe why a run ended in error: who cancelled it, the exception, or the reason."""
    thrown = _thrown(run["error"])
    match run["status"]:
        case "cancelled":
            by = run["cancelled_by"]
            canceled = f"Execution canceled by {by}" if by else "Execution canceled"
            return f"{canceled}\n{thrown}" if thrown else canceled
        case "failed":
            return thrown or _REASONS.get(run["reason"] or "", "Execution failed")
        case _:
            return None


def _thrown(error: RunFailure | None) -> str | None:
    if error is None:
        return None
    text, trace = error["exception"], error["traceback"]
    if text and trace and text not in trace:
        return f"{text}\n{trace}"
    return trace or text or _REASONS.get(error["reason"])
