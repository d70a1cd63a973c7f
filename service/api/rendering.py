"""Renders runs, tasks, events and flows as our own API shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import orjson

from events.envelope import Event
from events.types import run_id_of
from projections.documents.flow import FlowDocument
from projections.documents.run import RunDocument
from projections.documents.task import TaskDocument, WorkflowDocument
from service.flows.schedule import schedule_in

if TYPE_CHECKING:
    # The command line shows events too, without loading what serves them.
    from service.dialect import Dialect
    from service.runs.read.history import FieldChange, HistoryEntry

MAX_VALUE_BYTES: Final = 2000
"""Size of JSON in bytes up to which a history shows a value whole."""

EXCERPT_LENGTH: Final = 1000
"""Characters that are shown of a longer value."""

# Naive, since all times here are UTC: arithmetic and formatting take a third of the time.
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001


@lru_cache(maxsize=4096)  # clients that poll a run see the same times again
def format_time(epoch_us: int | None) -> str | None:
    """Format a time as RFC 3339 in UTC, with microseconds.

    >>> format_time(1767225600000001)
    '2026-01-01T00:00:00.000001Z'
    >>> format_time(None)
    """
    if epoch_us is None:
        return None
    at = _EPOCH + timedelta(microseconds=epoch_us)
    return at.isoformat(timespec="microseconds") + "Z"


def workflow(doc: WorkflowDocument, dialects: Iterable[Dialect]) -> dict[str, Any]:
    """Render a run with its tasks."""
    return run(doc, dialects) | {"tasks": [task(each) for each in doc["tasks"]]}


def run(doc: RunDocument, dialects: Iterable[Dialect]) -> dict[str, Any]:
    """Render a run without its tasks."""
    return {
        "run_id": doc["run_id"],
        "run_number": doc["run_number"],
        "flow": {"fullname": doc["fullname"], "version": doc["flow_version"]},
        "tenant": doc["tenant"],
        "status": doc["status"],
        "failing": doc["failing"],
        "trigger": doc["trigger"],
        "started_by": doc["started_by"],
        "created_at": format_time(doc["created_us"]),
        "started_at": format_time(doc["started_us"]),
        "ended_at": format_time(doc["ended_us"]),
        "attempt": doc["attempt"],
        "retry_of": doc["retry_of"],
        "root_run": doc["root_run"],
        "payload": doc["payload"],
        "comment": doc["comment"],
        "warnings": doc["warnings"],
        "error": doc["error"],
        "position": doc["position"],
        "vendor_ids": vendor_ids(
            {d.name: d.run_ids(doc) for d in dialects if d.name in doc["flow_ids"]}
        ),
    }


def vendor_ids(ids: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Leave out vendors without ids, such as our own API."""
    return {vendor: names for vendor, names in ids.items() if names}


def task(doc: TaskDocument) -> dict[str, Any]:
    """Render a task of a run."""
    return {
        "task_id": doc["id"],
        "path": doc["path"],
        "key": doc["key"],
        "previous": doc["previous"],
        "hook": doc["hook"],
        "status": doc["status"],
        "attempt": doc["attempt"],
        "started_at": format_time(doc["started_us"]),
        "ended_at": format_time(doc["ended_us"]),
        "result": doc["result"],
        "warnings": doc["warnings"],
        "metrics": doc["metrics"],
        "error": doc["error"],
        "log": doc["log"],
        "carried_from": doc.get("carried_from"),
    }


def next_due(definition: Mapping[str, Any], now_us: int) -> str | None:
    """Format the next due time of a flow; None without a schedule.

    >>> next_due({"periodic": {"crontab": "0 12 * * *"}}, 1767225600000000)
    '2026-01-01T12:00:00.000000Z'
    """
    schedule = schedule_in(definition)
    if schedule is None:
        return None
    return _format(schedule.after(_EPOCH.replace(tzinfo=UTC) + timedelta(microseconds=now_us)))


def event(event: Event) -> dict[str, Any]:
    """Render an event as the log holds it, with the leaf hash in hexadecimal."""
    return {
        "position": event.position,
        "stream": event.stream,
        "version": event.version,
        "event_id": event.event_id,
        "type": event.type,
        "schema_version": event.schema_version,
        "tenant": event.tenant,
        "actor": event.actor,
        "correlation_id": event.correlation_id or None,
        "causation_id": event.causation_id or None,
        "occurred_at": event.occurred_at and _format(event.occurred_at),
        "recorded_at": _format(event.recorded_at),
        "data": event.data,
        "metadata": event.metadata,
        "leaf_hash": event.leaf_hash.hex(),
    }


def _format(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def history_entry(entry: HistoryEntry) -> dict[str, Any]:
    """Render an event of a run's history: its changes, its delay, its corrections."""
    came = entry.event
    late = None if came.occurred_at is None else came.recorded_at - came.occurred_at
    return {
        **event(came),
        "source": came.metadata.get("source"),
        "delay_s": None if late is None else late.total_seconds(),
        "after_end": entry.after_end,
        "changes": [change(each) for each in entry.changes],
        "corrects": entry.corrects and event(entry.corrects),
        "corrections": [event(each) for each in entry.corrections],
    }


def change(changed: FieldChange) -> dict[str, Any]:
    """Render a changed field; large values are truncated."""
    before, before_cut = truncate(changed.before)
    after, after_cut = truncate(changed.after)
    rendered = {"field": changed.field, "before": before, "after": after}
    cut = {"before": before_cut, "after": after_cut}
    return rendered | {"cut": cut} if before_cut or after_cut else rendered


def truncate(value: Any) -> tuple[Any, dict[str, Any] | None]:  # noqa: ANN401 - any JSON value
    """Return a value whole, or its beginning with size and hash of its JSON.

    >>> truncate({"rows": 7})
    ({'rows': 7}, None)
    """
    raw = orjson.dumps(value)
    if len(raw) <= MAX_VALUE_BYTES:
        return value, None
    text = value if isinstance(value, str) else raw.decode()
    return text[:EXCERPT_LENGTH], {"size_bytes": len(raw), "sha256": sha256(raw).hexdigest()}


def audit_entry(entry: Event, flow: str | None) -> dict[str, Any]:
    """Render an event of the audit trail with its source, run and flow."""
    return {
        **event(entry),
        "source": entry.metadata.get("source"),
        "run_id": run_id_of(entry.stream),
        "flow": flow,
    }


def flow(doc: FlowDocument, now_us: int) -> dict[str, Any]:
    """Render a flow with its vendor ids and its next due time."""
    return {
        "fullname": doc["fullname"],
        "project": doc["project"],
        "name": doc["name"],
        "version": doc["version"],
        "number": doc["number"],
        "executor": doc["executor"],
        "exclusive": doc["exclusive"],
        "timeout_s": doc["timeout_s"],
        "retired": doc["retired"],
        "next_due_at": None if doc["retired"] else next_due(doc["definition"], now_us),
        "definition": doc["definition"],
        "vendor_ids": vendor_ids(doc["ids"]),
    }
