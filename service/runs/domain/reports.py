"""Evaluates reported events, each against the state that the one before it left."""

from __future__ import annotations

import hashlib
from typing import Final, cast
from uuid import UUID, uuid5

from events import types
from events.bodies import ReportKey, ReportRefused, RunBody, RunFailed, RunStarted
from events.codec import encode
from events.errors import InvalidEvent
from service.runs.domain.commands import ReportedEvent, ReportEvents
from service.runs.domain.completion_rules import apply_completion_rules, end_open_tasks
from service.runs.domain.draft import NO_CAUSE, Cause, Draft, Verdict
from service.runs.domain.plans import resolve_task
from service.runs.domain.report_body import (
    MAX_BODY_BYTES,
    build_run_body,
    build_task_body,
    shape_error,
)
from service.runs.domain.state import ReportRecord, RunState, conflicting_report_key
from service.runs.domain.transitions import next_run_status, next_task_status

REPORTABLE: Final = types.TASK_TYPES | types.RUN_ENDS | {types.RUN_STARTED}
"""The event types a report may hold. `TaskCancelled` is for workers: our own API refuses it."""

_GOOD_ENDS: Final = frozenset({types.RUN_SUCCEEDED, types.RUN_WARNED})
_TOO_LARGE: Final = f"the event is larger than {MAX_BODY_BYTES} bytes"


def evaluate_report(draft: Draft, command: ReportEvents) -> tuple[Verdict, ...]:
    """Evaluate the events of a report in order, then apply the completion rules once."""
    authorization_error = _authorization_error(draft.state, command)
    verdicts, cause = [], None
    for event in command.events:
        evaluator = _ReportEvaluator(draft, event, authorization_error)
        verdicts.append(evaluator.evaluate())
        cause = evaluator.recorded or cause
    if cause is not None:
        apply_completion_rules(draft, cause)
    return tuple(verdicts)


def _authorization_error(state: RunState, command: ReportEvents) -> str:
    """Say why this reporter may not report on the run; empty if it may."""
    if state.executor == "external":
        return "no worker executes this run" if command.worker else ""
    if not command.worker:
        return "only its worker reports on a run that is executed in process"
    if command.epoch != state.epoch:
        return f"epoch {command.epoch} is not the run's, which is {state.epoch}"
    return "" if command.worker == state.worker else "another worker has the run"


def report_fingerprint(event: ReportedEvent) -> str:
    """Compute the fingerprint that tells a repeat from another event under the same id.

    It is the first half of the SHA-256, in hex, over all members of the reported event.

    Raises:
        InvalidEvent: the event cannot be stored as JSON.
    """
    fingerprint_input = {
        "id": event.event_id,
        "type": event.type,
        "task": event.task,
        "data": event.data,
        "occurred_at": event.occurred_at.isoformat() if event.occurred_at else None,
    }
    return hashlib.sha256(encode(fingerprint_input)).hexdigest()[:32]


class _ReportEvaluator:
    """Evaluates one reported event; ``recorded`` is set if it was recorded as reported."""

    def __init__(self, draft: Draft, event: ReportedEvent, authorization_error: str) -> None:
        self.recorded: Cause | None = None
        self._draft, self._event = draft, event
        self._authorization_error = authorization_error
        self._fingerprint = ""
        self._identity = NO_CAUSE

    def evaluate(self) -> Verdict:
        try:
            self._fingerprint = report_fingerprint(self._event)
        except InvalidEvent as error:
            return Verdict(self._event.event_id, "refused", None, str(error))
        self._identity = self._stored_identity()
        return self._verdict_of_repeat() or self._verdict_if_derived() or self._verdict_of_new()

    def _verdict_of_repeat(self) -> Verdict | None:
        reports, key = self._draft.state.reports, self._event.event_id
        first = reports.get(key)
        if first is None:
            return None
        if first.fingerprint == self._fingerprint:
            return self._repeat(first)
        second = reports.get(conflicting_report_key(key, self._fingerprint))
        if second:
            return self._repeat(second)
        return self._refuse("event_id was used for a different event")

    def _repeat(self, earlier: ReportRecord) -> Verdict:
        if earlier.refused is None:
            return Verdict(self._event.event_id, "duplicate", earlier.version)
        return Verdict(self._event.event_id, "refused", earlier.version, earlier.refused)

    def _verdict_if_derived(self) -> Verdict | None:
        """Answer duplicate if the ledger has already derived this start or end of the run."""
        for derived in (self._draft.state.started, self._draft.state.ended):
            if (
                derived
                and not derived.reported
                and derived.type == self._event.type
                and not self._authorization_error
            ):
                return Verdict(self._event.event_id, "duplicate", derived.version)
        return None

    def _verdict_of_new(self) -> Verdict:
        event, state = self._event, self._draft.state
        if event.type not in REPORTABLE:
            return self._refuse(f"{event.type} cannot be reported")
        if reason := self._authorization_error or shape_error(event):
            return self._refuse(reason)
        if state.has_ended:
            return self._refuse(f"the run has ended: it is {state.status}")
        if event.type in types.TASK_TYPES:
            return self._evaluate_task_event()
        return self._evaluate_run_event()

    def _evaluate_task_event(self) -> Verdict:
        event, state, path = self._event, self._draft.state, self._task_path()
        if path is None:
            return self._refuse(
                f"the run has no task {event.task}" if event.task else "no task named"
            )
        body = build_task_body(state, event, path, self._draft.plan.by_path[path].retries)
        if body is None:
            return self._refuse(_TOO_LARGE)
        status = state.tasks[path].status
        if next_task_status(status, event.type, body) is None:
            return self._refuse(f"the task is {status}")
        self._ensure_run_started()
        return self._record(body)

    def _evaluate_run_event(self) -> Verdict:
        event, state = self._event, self._draft.state
        body = build_run_body(state, event)
        if body is None:
            return self._refuse(_TOO_LARGE)
        if event.type == types.RUN_STARTED and state.started:
            return self._refuse("the run has started already")
        if event.type in _GOOD_ENDS:
            if state.failing:
                return self._refuse("a task has failed: the run cannot succeed any more")
            self._ensure_run_started()
        if next_run_status(state.status, event.type) is None:
            return self._refuse(f"the run is {state.status}")
        if event.type == types.RUN_FAILED:
            failed = cast("RunFailed", body)
            end_open_tasks(self._draft, self._identity, event.type, failed["reason"])
        elif event.type in types.RUN_ENDS:
            end_open_tasks(self._draft, self._identity, event.type)
        return self._record(body)

    def _ensure_run_started(self) -> None:
        if self._draft.state.started is None:
            self._draft.add(types.RUN_STARTED, RunStarted(), self._identity)

    def _record(self, body: RunBody) -> Verdict:
        self.recorded = self._identity
        return Verdict(self._event.event_id, "recorded", self._add(self._event.type, body))

    def _refuse(self, reason: str) -> Verdict:
        event = self._event
        task = self._task_path() or event.task
        data = event.data if len(encode(event.data)) <= MAX_BODY_BYTES else {}
        refused = ReportRefused(type=event.type, task=task, reason=reason, data=data)
        version = self._add(types.REPORT_REFUSED, refused)
        return Verdict(event.event_id, "refused", version, reason)

    def _add(self, type_: str, body: RunBody) -> int:
        key = ReportKey(id=self._event.event_id, fingerprint=self._fingerprint)
        self._draft.add_report(type_, body, self._identity, key)
        return self._draft.state.version

    def _task_path(self) -> str | None:
        name = self._event.task
        return resolve_task(self._draft.plan, self._draft.state.run_id, name) if name else None

    def _stored_identity(self) -> Cause:
        """Derive the id under which the event is stored.

        It is known before the event is stored, because derived events that precede it name it as
        their cause.
        """
        name = f"report:{self._event.event_id}"
        if self._event.event_id in self._draft.state.reports:
            name = conflicting_report_key(name, self._fingerprint)
        return Cause(str(uuid5(UUID(self._draft.state.run_id), name)), self._event.occurred_at)
