"""The commands: what may be asked of a run. Imperative, immutable, parsed before they get here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from events.bodies import Trigger
from events.envelope import Event
from service.origin import Origin


@dataclass(frozen=True, slots=True)
class Firing:
    """A start by a flow's schedule, at one due time: only once, whoever asks.

    ``flow_version`` is the version whose schedule says so; ``late_s`` how long after ``due_at`` it
    is made; ``missed`` how many due times passed unanswered since the last that did not, None
    where nobody knows.
    """

    due_at: datetime
    flow_version: int
    late_s: int = 0
    missed: int | None = 0


@dataclass(frozen=True, slots=True)
class StartRun:
    """Start a flow's current version; under one ``idempotency_key`` only once.

    With a ``firing``, that version alone, and once at the firing's due time instead.
    ``project`` is how much of the name its caller takes for the project, where that does not end at
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
    firing: Firing | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a run runs again: what is done in the groups before ``group`` (from 1) is not.

    With ``undone_only`` nor is what is done from there on, unless it waits for what runs again.
    """

    group: int = 1
    undone_only: bool = False


@dataclass(frozen=True, slots=True)
class RetryRun:
    """Start a new run like an earlier one of any state: flow as it is now, payload, comment.

    Of a ``part`` the earlier run must have ended; None is all of it. ``asked_for`` is what the
    caller named where that was not the run itself: a repeat is known by it.
    """

    tenant: str
    origin: Origin
    run_id: str
    part: Part | None = None
    exclusive: bool = False
    asked_for: str = ""
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class CancelRun:
    """Cancel a run; ``force`` does not wait for running tasks to stop."""

    tenant: str
    origin: Origin
    run_id: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class ClaimRun:
    """Take a queued run, or one whose worker fell silent (``epoch`` above the last one)."""

    tenant: str
    origin: Origin
    run_id: str
    worker: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is reported of a run or a task.

    ``event_id`` is the reporter's id, any text of 1 to 200 characters, and the idempotency key in
    the run. ``task`` is a path, a key that is unique in the plan, or a task id; None for the run.
    """

    event_id: str
    type: str
    task: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """Report what happened, in order. A worker names itself by ``worker`` and ``epoch``."""

    tenant: str
    origin: Origin
    run_id: str
    facts: tuple[Fact, ...]
    worker: str = ""
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class TimeOutRun:
    """End a run whose own timeout has passed: what is open fails with the reason ``timeout``."""

    tenant: str
    origin: Origin
    run_id: str


@dataclass(frozen=True, slots=True)
class UnlistRun:
    """Take a run that has ended off the lists; ``offset`` is how many newer ones its flow keeps.

    It can still be read by its ids. A run that has not ended, or has left, stays as it is.
    """

    tenant: str
    origin: Origin
    run_id: str
    offset: int


@dataclass(frozen=True, slots=True)
class RecordCorrection:
    """Record what is wrong in the run's event at ``position``; under one key only once.

    The event may be any of the run, another correction too, and the run in any state. Nothing that
    read models show of it changes.
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
    | ReportFacts
    | TimeOutRun
    | UnlistRun
    | RecordCorrection
)


@dataclass(frozen=True, slots=True)
class FactResult:
    """The answer to one fact. ``position`` is where the ledger keeps it (a refusal is kept too)."""

    event_id: str
    outcome: Literal["recorded", "duplicate", "refused"]
    position: int | None
    reason: str | None = None


class Outcome(NamedTuple):
    """What a command came to. ``position`` is the last position it wrote, or the one it repeats.

    ``born`` is the first event of the run, where the command made that.
    """

    run_id: str
    run_number: int
    position: int
    status: str
    replayed: bool = False
    born: Event | None = None
    results: tuple[FactResult, ...] = ()
