"""What our own API shows of a run, an event and a flow."""

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

MOST_SHOWN_BYTES: Final = 2000
"""Bytes of JSON up to which a history shows a value whole."""

BEGINNING: Final = 1000
"""Characters shown of a longer one."""

# Without a zone: all here is UTC, and arithmetic and text are thrice as quick.
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001


@lru_cache(maxsize=4096)  # whoever asks how a run is going asks for the same times again
def moment(epoch_us: int | None) -> str | None:
    """Write a time as RFC 3339 in UTC, with microseconds.

    >>> moment(1767225600000001)
    '2026-01-01T00:00:00.000001Z'
    >>> moment(None)
    """
    if epoch_us is None:
        return None
    at = _EPOCH + timedelta(microseconds=epoch_us)
    return at.isoformat(timespec="microseconds") + "Z"


def workflow(doc: WorkflowDocument, dialects: Iterable[Dialect]) -> dict[str, Any]:
    """Show a run in full, with its tasks."""
    return run(doc, dialects) | {"tasks": [task(each) for each in doc["tasks"]]}


def run(doc: RunDocument, dialects: Iterable[Dialect]) -> dict[str, Any]:
    """Show a run without its tasks."""
    return {
        "run_id": doc["run_id"],
        "run_number": doc["run_number"],
        "flow": {"fullname": doc["fullname"], "version": doc["flow_version"]},
        "tenant": doc["tenant"],
        "status": doc["status"],
        "failing": doc["failing"],
        "trigger": doc["trigger"],
        "started_by": doc["started_by"],
        "created_at": moment(doc["created_us"]),
        "started_at": moment(doc["started_us"]),
        "ended_at": moment(doc["ended_us"]),
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
    """Show the ids of every vendor that has any: our own API has none of its own."""
    return {vendor: names for vendor, names in ids.items() if names}


def task(doc: TaskDocument) -> dict[str, Any]:
    """Show a task of a run."""
    return {
        "task_id": doc["id"],
        "path": doc["path"],
        "key": doc["key"],
        "previous": doc["previous"],
        "hook": doc["hook"],
        "status": doc["status"],
        "attempt": doc["attempt"],
        "started_at": moment(doc["started_us"]),
        "ended_at": moment(doc["ended_us"]),
        "result": doc["result"],
        "warnings": doc["warnings"],
        "metrics": doc["metrics"],
        "error": doc["error"],
        "log": doc["log"],
        "carried_from": doc.get("carried_from"),
    }


def next_due(definition: Mapping[str, Any], now_us: int) -> str | None:
    """Write when a flow is due next by its schedule; None where it has none.

    >>> next_due({"periodic": {"crontab": "0 12 * * *"}}, 1767225600000000)
    '2026-01-01T12:00:00.000000Z'
    """
    schedule = schedule_in(definition)
    if schedule is None:
        return None
    return _written(schedule.after(_EPOCH.replace(tzinfo=UTC) + timedelta(microseconds=now_us)))


def event(event: Event) -> dict[str, Any]:
    """Show an event as the log holds it; the leaf hash in hexadecimal."""
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
        "occurred_at": event.occurred_at and _written(event.occurred_at),
        "recorded_at": _written(event.recorded_at),
        "data": event.data,
        "metadata": event.metadata,
        "leaf_hash": event.leaf_hash.hex(),
    }


def _written(at: datetime) -> str:
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
    """Show what an event changed in a field, large values by their beginning."""
    before, before_cut = bounded(changed.before)
    after, after_cut = bounded(changed.after)
    shown = {"field": changed.field, "before": before, "after": after}
    cut = {"before": before_cut, "after": after_cut}
    return shown | {"cut": cut} if before_cut or after_cut else shown


def bounded(value: Any) -> tuple[Any, dict[str, Any] | None]:  # noqa: ANN401 - any JSON value
    """Show a value whole, or the beginning of its text with the size and the hash of its JSON.

    >>> bounded({"rows": 7})
    ({'rows': 7}, None)
    """
    raw = orjson.dumps(value)
    if len(raw) <= MOST_SHOWN_BYTES:
        return value, None
    text = value if isinstance(value, str) else raw.decode()
    return text[:BEGINNING], {"size_bytes": len(raw), "sha256": sha256(raw).hexdigest()}


def audited(entry: Event, flow: str | None) -> dict[str, Any]:
    """Show an event of the audit trail: through what it came, which run and flow it is about."""
    return {
        **event(entry),
        "source": entry.metadata.get("source"),
        "run_id": run_id_of(entry.stream),
        "flow": flow,
    }


def flow(doc: FlowDocument, now_us: int) -> dict[str, Any]:
    """Show a flow of the catalogue with every vendor's ids of it, and when it is due next."""
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
