"""Judges what executors and reporters say happened: each fact on what the last one left."""

from __future__ import annotations

import hashlib
from typing import Final, cast
from uuid import UUID, uuid5

from events import types
from events.bodies import ReportKey, ReportRefused, RunBody, RunFailed, RunStarted
from events.codec import encode
from events.errors import InvalidEvent
from service.runs.domain.commands import Fact, ReportFacts
from service.runs.domain.completion_rules import close, settle
from service.runs.domain.draft import NO_CAUSE, Answer, Cause, Draft
from service.runs.domain.plans import resolve
from service.runs.domain.report_body import MAX_BODY_BYTES, misshapen, run_body_of, task_body_of
from service.runs.domain.state import RunState, Seen, other_use
from service.runs.domain.transitions import next_run_status, next_task_status

REPORTABLE: Final = types.TASK_TYPES | types.RUN_ENDS | {types.RUN_STARTED}
"""What may be reported; only a worker reports `TaskCancelled`, which the own API does not take."""

_GOOD_ENDS: Final = frozenset({types.RUN_SUCCEEDED, types.RUN_WARNED})
_TOO_LARGE: Final = f"the event is larger than {MAX_BODY_BYTES} bytes"


def report(draft: Draft, command: ReportFacts) -> tuple[Answer, ...]:
    """Judge all facts of a report in order, then settle what follows from those recorded."""
    stranger = _stranger(draft.state, command)
    answers, cause = [], None
    for fact in command.facts:
        judge = _Judge(draft, fact, stranger)
        answers.append(judge.answer())
        cause = judge.recorded or cause
    if cause is not None:
        settle(draft, cause)
    return tuple(answers)


def _stranger(state: RunState, command: ReportFacts) -> str:
    """Say why this reporter has nothing to say about the run, or nothing."""
    if state.executor == "external":
        return "no worker executes this run" if command.worker else ""
    if not command.worker:
        return "only its worker reports on a run that is executed in process"
    if command.epoch != state.epoch:
        return f"epoch {command.epoch} is not the run's, which is {state.epoch}"
    return "" if command.worker == state.worker else "another worker has the run"


def fingerprint_of(fact: Fact) -> str:
    """Compute what tells a repeat from another event: half a SHA-256 of all that the fact says.

    Raises:
        InvalidEvent: the fact cannot be stored as JSON.
    """
    said = {
        "id": fact.event_id,
        "type": fact.type,
        "task": fact.task,
        "data": fact.data,
        "occurred_at": fact.occurred_at.isoformat() if fact.occurred_at else None,
    }
    return hashlib.sha256(encode(said)).hexdigest()[:32]


class _Judge:
    """Judges one fact; ``recorded`` is then the event that keeps it, unless it was not taken."""

    def __init__(self, draft: Draft, fact: Fact, stranger: str) -> None:
        self.recorded: Cause | None = None
        self._draft, self._fact, self._stranger = draft, fact, stranger
        self._fingerprint = ""
        self._itself = NO_CAUSE

    def answer(self) -> Answer:
        try:
            self._fingerprint = fingerprint_of(self._fact)
        except InvalidEvent as error:
            return Answer(self._fact.event_id, "refused", None, str(error))
        self._itself = self._named()
        return self._repeated() or self._concluded() or self._judged()

    def _repeated(self) -> Answer | None:
        seen, key = self._draft.state.seen, self._fact.event_id
        first = seen.get(key)
        if first is None:
            return None
        if first.fingerprint == self._fingerprint:
            return self._again(first)
        second = seen.get(other_use(key, self._fingerprint))
        if second:
            return self._again(second)
        return self._refuse("event_id was used for a different event")

    def _again(self, seen: Seen) -> Answer:
        if seen.refused is None:
            return Answer(self._fact.event_id, "duplicate", seen.version)
        return Answer(self._fact.event_id, "refused", seen.version, seen.refused)

    def _concluded(self) -> Answer | None:
        """Answer a reporter who says what the ledger has concluded by itself already."""
        for mark in (self._draft.state.started, self._draft.state.ended):
            if mark and not mark.reported and mark.type == self._fact.type and not self._stranger:
                return Answer(self._fact.event_id, "duplicate", mark.version)
        return None

    def _judged(self) -> Answer:
        fact, state = self._fact, self._draft.state
        if fact.type not in REPORTABLE:
            return self._refuse(f"{fact.type} cannot be reported")
        if reason := self._stranger or misshapen(fact):
            return self._refuse(reason)
        if state.has_ended:
            return self._refuse(f"the run has ended: it is {state.status}")
        return self._judge_task() if fact.type in types.TASK_TYPES else self._judge_run()

    def _judge_task(self) -> Answer:
        fact, state, path = self._fact, self._draft.state, self._path()
        if path is None:
            return self._refuse(
                f"the run has no task {fact.task}" if fact.task else "no task named"
            )
        body = task_body_of(state, fact, path, self._draft.plan.by_path[path].retries)
        if body is None:
            return self._refuse(_TOO_LARGE)
        status = state.tasks[path].status
        if next_task_status(status, fact.type, body) is None:
            return self._refuse(f"the task is {status}")
        self._start_first()
        return self._record(body)

    def _judge_run(self) -> Answer:
        fact, state = self._fact, self._draft.state
        body = run_body_of(state, fact)
        if body is None:
            return self._refuse(_TOO_LARGE)
        if fact.type == types.RUN_STARTED and state.started:
            return self._refuse("the run has started already")
        if fact.type in _GOOD_ENDS:
            if state.failing:
                return self._refuse("a task has failed: the run cannot succeed any more")
            self._start_first()
        if next_run_status(state.status, fact.type) is None:
            return self._refuse(f"the run is {state.status}")
        if fact.type == types.RUN_FAILED:
            failed = cast("RunFailed", body)
            close(self._draft, self._itself, fact.type, failed["reason"])
        elif fact.type in types.RUN_ENDS:
            close(self._draft, self._itself, fact.type)
        return self._record(body)

    def _start_first(self) -> None:
        if self._draft.state.started is None:
            self._draft.add(types.RUN_STARTED, RunStarted(), self._itself)

    def _record(self, body: RunBody) -> Answer:
        self.recorded = self._itself
        return Answer(self._fact.event_id, "recorded", self._add(self._fact.type, body))

    def _refuse(self, reason: str) -> Answer:
        fact = self._fact
        data = fact.data if len(encode(fact.data)) <= MAX_BODY_BYTES else {}
        task = self._path() or fact.task
        refused = ReportRefused(type=fact.type, task=task, reason=reason, data=data)
        version = self._add(types.REPORT_REFUSED, refused)
        return Answer(fact.event_id, "refused", version, reason)

    def _add(self, type_: str, body: RunBody) -> int:
        key = ReportKey(id=self._fact.event_id, fingerprint=self._fingerprint)
        self._draft.report(type_, body, self._itself, key)
        return self._draft.state.version

    def _path(self) -> str | None:
        name = self._fact.task
        return resolve(self._draft.plan, self._draft.state.run_id, name) if name else None

    def _named(self) -> Cause:
        """Name the reported event: the cause of others, also of those that stand before it."""
        name = f"report:{self._fact.event_id}"
        if self._fact.event_id in self._draft.state.seen:
            name = other_use(name, self._fingerprint)
        return Cause(str(uuid5(UUID(self._draft.state.run_id), name)), self._fact.occurred_at)
