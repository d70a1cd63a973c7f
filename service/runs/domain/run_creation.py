"""What makes a new run: a start, or a retry of an earlier run. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from events import types
from events.bodies import ReusedTask, RunQueued, ScheduledStart, SlotTaken, Trigger
from events.codec import encode, encode_body
from events.envelope import NewEvent
from projections.documents.flow import Flow
from service.origin import Origin, metadata_of
from service.runs.domain.commands import Firing, Part, RetryRun, StartRun
from service.runs.domain.state import RunState


class Start(NamedTuple):
    """What to start: read off a `StartRun`, or off a `RetryRun` and the run it goes back to.

    ``key`` and ``fingerprint`` are what the log knows a repeat by; empty without a caller's key.
    """

    tenant: str
    origin: Origin
    fullname: str
    payload: Mapping[str, Any]
    comment: str | None
    project: str | None
    trigger: Trigger
    exclusive: bool
    key: str = ""
    fingerprint: bytes = b""
    earlier: RunState | None = None
    firing: Firing | None = None
    part: Part | None = None


def start_of(command: StartRun) -> Start:
    """Read a start off its command."""
    return Start(
        command.tenant,
        command.origin,
        command.fullname,
        command.payload,
        command.comment,
        command.project,
        command.trigger,
        command.exclusive,
        *_known_by(command),
        firing=command.firing,
    )


def retry_of(command: RetryRun, earlier: RunState) -> Start:
    """Read off what to start again: the same flow, payload and comment, exclusive if it was.

    Exclusive too where the command says so.
    """
    return Start(
        command.tenant,
        command.origin,
        earlier.fullname,
        earlier.payload,
        earlier.comment,
        earlier.project,
        "retry",
        command.exclusive or earlier.exclusive,
        *_known_by(command),
        earlier=earlier,
        part=command.part,
    )


def _known_by(command: StartRun | RetryRun) -> tuple[str, bytes]:
    if isinstance(command, StartRun) and command.firing:
        # Beside the keys of callers, which all begin with start/. That is all a firing is known by:
        # of two processes one may have read a newer payload.
        key = f"schedule/{command.fullname}/{written(command.firing.due_at)}"
        return key, hashlib.sha256(key.encode()).digest()
    if not command.idempotency_key:
        return "", b""
    return f"start/{command.idempotency_key}", fingerprint_of(command)


def fingerprint_of(command: StartRun | RetryRun) -> bytes:
    """Compute what tells a repeat from another request: SHA-256 of the command's name and contents.

    Who asks and through what does not count: the same request may come again over another way.
    """
    if isinstance(command, RetryRun):
        said: dict[str, Any] = {"command": "RetryRun", "run_id": command.run_id}
        # Only where it is there: what is fingerprinted already stays as it is.
        if command.part is not None:
            said["part"] = asdict(command.part)
        if command.exclusive:
            said["exclusive"] = True
        if command.asked_for:
            said["run_id"] = command.asked_for
    else:
        said = {
            "command": "StartRun",
            "flow": command.fullname,
            "payload": command.payload,
            "comment": command.comment,
            "trigger": command.trigger,
            "exclusive": command.exclusive,
        }
        if command.project is not None:
            said["project"] = command.project
    return hashlib.sha256(encode(said)).digest()


def written(due_at: datetime) -> str:
    """Write a due time, as a firing's key and its run have it.

    >>> written(datetime(2026, 1, 1, 12, tzinfo=UTC))
    '2026-01-01T12:00:00.000000Z'
    """
    return due_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def is_exclusive(flow: Flow, start: Start) -> bool:
    """Tell whether the run takes its flow's slot."""
    return flow.exclusive or start.exclusive


def queued(
    flow: Flow, start: Start, *, run_id: str, run_number: int, carried: Sequence[ReusedTask] = ()
) -> RunQueued:
    """Write the body of the run's first event.

    ``schedule`` is there where a schedule started it, ``carried`` where not all of it is to run.
    """
    earlier = start.earlier
    body: RunQueued = {
        "run_id": run_id,
        "run_number": run_number,
        "flow": flow.fullname,
        "flow_version": flow.version,
        "executor": flow.executor,
        "exclusive": is_exclusive(flow, start),
        "payload": start.payload,
        "comment": start.comment,
        "trigger": start.trigger,
        "started_by": start.origin.actor,
        "attempt": earlier.attempt + 1 if earlier else 1,
        "retry_of": earlier.run_id if earlier else None,
        "root_run": earlier.root_run if earlier else run_id,
        "root_run_number": earlier.root_run_number if earlier else run_number,
    }
    # Only where they say something: nearly no run has one of these.
    if start.project is not None:
        body["project"] = start.project
    if carried:
        body["carried"] = carried
    if start.firing is not None:
        body["schedule"] = _fired(start.firing)
    return body


def _fired(firing: Firing) -> ScheduledStart:
    return {
        "due_at": written(firing.due_at),
        "late_s": firing.late_s,
        "missed": firing.missed,
    }


def first_event(start: Start, body: RunQueued, event_id: str) -> NewEvent:
    """Make the run's first event of its body.

    Raises:
        InvalidEvent: the payload or the comment cannot be stored.
    """
    return NewEvent(
        event_id,
        types.RUN_QUEUED,
        encode_body(body),
        start.origin.actor,
        metadata=encode(metadata_of(start.origin)),
        correlation_id=body["root_run"],
        causation_id=start.earlier.queued_id if start.earlier else "",
    )


def slot_taken(start: Start, queued_event: NewEvent, run_id: str, event_id: str) -> NewEvent:
    """Make the event by which an exclusive run takes its flow's slot."""
    return NewEvent(
        event_id,
        types.SLOT_TAKEN,
        encode_body(SlotTaken(run_id=run_id)),
        start.origin.actor,
        metadata=queued_event.metadata,
        correlation_id=queued_event.correlation_id,
        causation_id=queued_event.event_id,
    )
