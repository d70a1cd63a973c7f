"""The commands: what a caller may request of a run. Immutable and already parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from events.bodies import Trigger
from events.envelope import Event
from service.access import Origin


@dataclass(frozen=True, slots=True)
class ScheduledStart:
    """A start by a flow's schedule at one due time, which happens once in the ledger.

    ``flow_version`` is the version that has the schedule; ``late_s`` is how long after ``due_at``
    the start is made. ``missed`` counts the due times without a start since the last start; None
    if that is unknown.
    """

    due_at: datetime
    flow_version: int
    late_s: int = 0
    missed: int | None = 0


@dataclass(frozen=True, slots=True)
class StartRun:
    """Start a flow's current version; at most once for each ``idempotency_key``.

    With a ``scheduled_start``, only its flow version is started, at most once for each due time.
    ``project`` is the part of ``fullname`` that the caller calls the project; None if that ends at
    the first dot.
    """

    tenant: str
    origin: Origin
    fullname: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    comment: str | None = None
    project: str | None = None
    trigger: Trigger = "on_demand"
    exclusive: bool = False
    idempotency_key: str = ""
    scheduled_start: ScheduledStart | None = None


@dataclass(frozen=True, slots=True)
class RetryScope:
    """Which tasks of a run run again: those from ``group`` on, counted from 1.

    With ``only_incomplete`` a completed task of these groups is reused too, unless it is downstream
    of one that runs again.
    """

    group: int = 1
    only_incomplete: bool = False


@dataclass(frozen=True, slots=True)
class RetryRun:
    """Start a new run with an earlier one's payload and comment, of the flow as it is now.

    With a ``scope`` the earlier run must have ended; None runs all tasks again. ``requested_id`` is
    what the caller named if that was not the run: a repeated request is recognised by it.
    """

    tenant: str
    origin: Origin
    run_id: str
    scope: RetryScope | None = None
    exclusive: bool = False
    requested_id: str = ""
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class CancelRun:
    """Cancel a run; with ``force``, without waiting for running tasks to stop."""

    tenant: str
    origin: Origin
    run_id: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class ClaimRun:
    """Claim a queued run, or one whose worker is lost: ``epoch`` is the last one plus 1."""

    tenant: str
    origin: Origin
    run_id: str
    worker: str
    epoch: int


@dataclass(frozen=True, slots=True)
class ReportedEvent:
    """One event that a reporter reports about a run or a task.

    ``event_id`` is the reporter's id of 1 to 200 characters: the idempotency key within the run.
    ``task`` is a path, a key that is unique in the plan, or a task id; None for the run.
    """

    event_id: str
    type: str
    task: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReportEvents:
    """Report events in order. A worker identifies itself by ``worker`` and ``epoch``."""

    tenant: str
    origin: Origin
    run_id: str
    events: tuple[ReportedEvent, ...]
    worker: str = ""
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class TimeOutRun:
    """Fail a run whose timeout has passed, and its open tasks, with the reason ``timeout``."""

    tenant: str
    origin: Origin
    run_id: str


@dataclass(frozen=True, slots=True)
class UnlistRun:
    """Remove an ended run from the lists; ``offset`` is how many newer runs its flow keeps.

    The run can still be read by its ids. Nothing happens if it has not ended or is unlisted.
    """

    tenant: str
    origin: Origin
    run_id: str
    offset: int


@dataclass(frozen=True, slots=True)
class RecordCorrection:
    """Record what is wrong in the run's event at ``position``; at most once for each key.

    The event may be any of the run, also another correction, and the run may have any status. Read
    models do not change.
    """

    tenant: str
    origin: Origin
    run_id: str
    position: int
    reason: str
    data: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str = ""


Command = (
    StartRun
    | RetryRun
    | CancelRun
    | ClaimRun
    | ReportEvents
    | TimeOutRun
    | UnlistRun
    | RecordCorrection
)


@dataclass(frozen=True, slots=True)
class ReportResult:
    """The result of one reported event; ``position`` is where it, or its refusal, is stored."""

    event_id: str
    outcome: Literal["recorded", "duplicate", "refused"]
    position: int | None
    reason: str | None = None


class Outcome(NamedTuple):
    """The result of a command, and the run after it.

    ``position`` is the last that it wrote, or the one that a repeat found. ``created_event`` is the
    first event of the run if the command created it.
    """

    run_id: str
    run_number: int
    position: int
    status: str
    replayed: bool = False
    created_event: Event | None = None
    results: tuple[ReportResult, ...] = ()
