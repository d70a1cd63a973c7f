"""Builds the first event of a run, from a start or from a retry of an earlier run. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from events import bodies, types
from events.bodies import ReusedTask, RunQueued, SlotTaken, Trigger
from events.codec import encode, encode_body
from events.envelope import NewEvent
from projections.documents.flow import Flow
from service.access import Origin, metadata_of
from service.runs.domain.commands import (
    RetryRun,
    RetryScope,
    ScheduledStart,
    StartRun,
)
from service.runs.domain.state import RunState


class StartRequest(NamedTuple):
    """What to start: from a `StartRun`, or from a `RetryRun` and the run that it retries.

    By ``key`` and ``fingerprint`` the log recognises a repeat. Both are empty if the caller gave no
    idempotency key.
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
    scheduled_start: ScheduledStart | None = None
    scope: RetryScope | None = None


def start_request(command: StartRun) -> StartRequest:
    """Build the request of a start command."""
    return StartRequest(
        command.tenant,
        command.origin,
        command.fullname,
        command.payload,
        command.comment,
        command.project,
        command.trigger,
        command.exclusive,
        *_idempotency_key_and_fingerprint(command),
        scheduled_start=command.scheduled_start,
    )


def retry_request(command: RetryRun, earlier: RunState) -> StartRequest:
    """Build the request of a retry: the same flow, payload and comment as the earlier run.

    It is exclusive if the earlier run was, or if the command says so.
    """
    return StartRequest(
        command.tenant,
        command.origin,
        earlier.fullname,
        earlier.payload,
        earlier.comment,
        earlier.project,
        "retry",
        command.exclusive or earlier.exclusive,
        *_idempotency_key_and_fingerprint(command),
        earlier=earlier,
        scope=command.scope,
    )


def _idempotency_key_and_fingerprint(command: StartRun | RetryRun) -> tuple[str, bytes]:
    if isinstance(command, StartRun) and command.scheduled_start:
        # No caller's key collides with it: those all begin with start/. The payload does not
        # count, as one of two processes that start the same run may know a newer one.
        key = f"schedule/{command.fullname}/{format_due_at(command.scheduled_start.due_at)}"
        return key, hashlib.sha256(key.encode()).digest()
    if not command.idempotency_key:
        return "", b""
    return f"start/{command.idempotency_key}", request_fingerprint(command)


def request_fingerprint(command: StartRun | RetryRun) -> bytes:
    """Compute the fingerprint that tells a repeat from another request under the same key.

    It is the SHA-256 of the command's name and content. Caller and API do not count: a client may
    repeat a request through another API.
    """
    if isinstance(command, RetryRun):
        fingerprint_input: dict[str, Any] = {"command": "RetryRun", "run_id": command.run_id}
        # Members are left out while unset, and keep their names: the log holds fingerprints that
        # were made before a member existed.
        if (scope := command.scope) is not None:
            part = {"group": scope.group, "undone_only": scope.only_incomplete}
            fingerprint_input["part"] = part
        if command.exclusive:
            fingerprint_input["exclusive"] = True
        if command.requested_id:
            fingerprint_input["run_id"] = command.requested_id
    else:
        fingerprint_input = {
            "command": "StartRun",
            "flow": command.fullname,
            "payload": command.payload,
            "comment": command.comment,
            "trigger": command.trigger,
            "exclusive": command.exclusive,
        }
        if command.project is not None:
            fingerprint_input["project"] = command.project
    return hashlib.sha256(encode(fingerprint_input)).digest()


def format_due_at(due_at: datetime) -> str:
    """Format a due time for the start's idempotency key and for its event.

    >>> format_due_at(datetime(2026, 1, 1, 12, tzinfo=UTC))
    '2026-01-01T12:00:00.000000Z'
    """
    return due_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def is_exclusive(flow: Flow, request: StartRequest) -> bool:
    """Tell whether the run needs its flow's slot."""
    return flow.exclusive or request.exclusive


def queued_body(
    flow: Flow,
    request: StartRequest,
    *,
    run_id: str,
    run_number: int,
    reused: Sequence[ReusedTask] = (),
) -> RunQueued:
    """Build the body of the run's `RunQueued`.

    It has ``schedule`` if a schedule starts the run, and ``carried`` if tasks are reused.
    """
    earlier = request.earlier
    body: RunQueued = {
        "run_id": run_id,
        "run_number": run_number,
        "flow": flow.fullname,
        "flow_version": flow.version,
        "executor": flow.executor,
        "exclusive": is_exclusive(flow, request),
        "payload": request.payload,
        "comment": request.comment,
        "trigger": request.trigger,
        "started_by": request.origin.actor,
        "attempt": earlier.attempt + 1 if earlier else 1,
        "retry_of": earlier.run_id if earlier else None,
        "root_run": earlier.root_run if earlier else run_id,
        "root_run_number": earlier.root_run_number if earlier else run_number,
    }
    # Left out while unset: nearly no run has one of these.
    if request.project is not None:
        body["project"] = request.project
    if reused:
        body["carried"] = reused
    if request.scheduled_start is not None:
        body["schedule"] = _schedule_member(request.scheduled_start)
    return body


def _schedule_member(scheduled_start: ScheduledStart) -> bodies.ScheduledStart:
    return {
        "due_at": format_due_at(scheduled_start.due_at),
        "late_s": scheduled_start.late_s,
        "missed": scheduled_start.missed,
    }


def queued_event(request: StartRequest, body: RunQueued, event_id: str) -> NewEvent:
    """Build the run's first event from its body.

    Raises:
        InvalidEvent: the payload or the comment cannot be stored.
    """
    return NewEvent(
        event_id,
        types.RUN_QUEUED,
        encode_body(body),
        request.origin.actor,
        metadata=encode(metadata_of(request.origin)),
        correlation_id=body["root_run"],
        causation_id=request.earlier.queued_id if request.earlier else "",
    )


def slot_taken_event(
    request: StartRequest, queued: NewEvent, run_id: str, event_id: str
) -> NewEvent:
    """Build the event by which an exclusive run takes its flow's slot."""
    return NewEvent(
        event_id,
        types.SLOT_TAKEN,
        encode_body(SlotTaken(run_id=run_id)),
        request.origin.actor,
        metadata=queued.metadata,
        correlation_id=queued.correlation_id,
        causation_id=queued.event_id,
    )
