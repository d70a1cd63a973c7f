"""The decider: what a command comes to, from a run's state alone. Pure: no clock, no log."""

from __future__ import annotations

from typing import Final, assert_never

from events import bodies, types
from projections.documents.flow import Plan
from service.origin import Origin, metadata_of
from service.runs.domain.commands import (
    CancelRun,
    ClaimRun,
    RecordCorrection,
    ReportFacts,
    TimeOutRun,
    UnlistRun,
)
from service.runs.domain.completion_rules import close, settle
from service.runs.domain.draft import Cause, Decision, Draft, NewId
from service.runs.domain.plans import ready
from service.runs.domain.reports import report
from service.runs.domain.state import RunState, TaskState, evolve, fold

__all__ = [
    "Decision",
    "RunCommand",
    "RunState",
    "TaskState",
    "correct",
    "decide",
    "evolve",
    "fold",
    "ready",
]

MAX_LOSSES: Final = 3
"""A task whose worker dies under it this many times has failed."""

RunCommand = ClaimRun | CancelRun | ReportFacts | TimeOutRun | UnlistRun
"""The commands that depend on a run's state; `run_creation` has those that make a run."""


def decide(plan: Plan, state: RunState, command: RunCommand, new_id: NewId) -> Decision:
    """Decide what a command comes to; what may not be done is a refusal, never an exception."""
    match command:
        case ClaimRun():
            return _claim(_draft(plan, state, command.origin, new_id), command)
        case CancelRun():
            return _cancel(_draft(plan, state, command.origin, new_id), command)
        case TimeOutRun():
            return _time_out(_draft(plan, state, command.origin, new_id))
        case UnlistRun():
            return _unlist(_draft(plan, state, command.origin, new_id), command)
        case ReportFacts():
            epoch = command.epoch if command.worker else 0
            metadata = metadata_of(command.origin, worker=command.worker, epoch=epoch)
            draft = Draft(plan, state, command.origin, new_id, metadata)
            return draft.decision(report(draft, command))
        case _:
            assert_never(command)


def correct(
    plan: Plan, state: RunState, command: RecordCorrection, new_id: NewId, *, version: int
) -> Decision:
    """Decide a correction of the run's event at a version: it may follow in every state.

    So it stands whatever has happened since the state was read.
    """
    draft = _draft(plan, state, command.origin, new_id)
    corrected = bodies.CorrectionRecorded(
        position=command.position, version=version, reason=command.reason, data=command.data
    )
    draft.add(types.CORRECTION_RECORDED, corrected)
    return draft.decision()


def _draft(plan: Plan, state: RunState, origin: Origin, new_id: NewId) -> Draft:
    return Draft(plan, state, origin, new_id, metadata_of(origin))


def _claim(draft: Draft, command: ClaimRun) -> Decision:
    state = draft.state
    if state.has_ended:
        return draft.decision(refusal=f"the run has ended: it is {state.status}")
    if state.executor != "in_process":
        return draft.decision(refusal="no worker executes this run")
    if (command.worker, command.epoch) == (state.worker, state.epoch):
        return draft.decision()
    if command.epoch != state.epoch + 1:
        return draft.decision(refusal=f"the run's epoch is {state.epoch}")
    claimed = bodies.RunClaimed(worker=command.worker, epoch=command.epoch)
    cause = draft.add(types.RUN_CLAIMED, claimed)
    _settle_losses(draft, cause)
    settle(draft, cause)
    return draft.decision()


def _settle_losses(draft: Draft, cause: Cause) -> None:
    """Settle the tasks that the lost worker had under way: tried again, but not for ever."""
    for path, task in tuple(draft.state.tasks.items()):
        if task.status not in ("running", "retrying"):
            continue
        if draft.state.status == "cancelling":
            draft.add(types.TASK_CANCELLED, bodies.TaskCancelled(task=path), cause)
            continue
        again = task.deaths + 1 < MAX_LOSSES
        failed = bodies.TaskFailed(task=path, reason="lost", will_retry=again)
        draft.add(types.TASK_FAILED, failed, cause)


def _cancel(draft: Draft, command: CancelRun) -> Decision:
    state = draft.state
    if state.has_ended:
        return _refuse_cancel(draft, command)
    if state.status == "cancelling" and not command.force:
        return draft.decision()
    elsewhere = state.executor == "external"
    at_once = command.force or (state.status == "queued" and not elsewhere)
    requested = bodies.RunCancelRequested(force=command.force)
    cause = draft.add(types.RUN_CANCEL_REQUESTED, requested)
    if at_once:
        close(draft, cause, types.RUN_CANCELLED)
        draft.add(types.RUN_CANCELLED, bodies.RunCancelled(), cause)
    elif not elsewhere:
        _cancel_waiting(draft, cause)
        settle(draft, cause)
    return draft.decision()


def _refuse_cancel(draft: Draft, command: CancelRun) -> Decision:
    reason = f"the run has ended: it is {draft.state.status}"
    data = {"force": command.force}
    refused = bodies.ReportRefused(type="CancelRun", task=None, reason=reason, data=data)
    draft.add(types.REPORT_REFUSED, refused)
    return draft.decision(refusal=reason)


def _cancel_waiting(draft: Draft, cause: Cause) -> None:
    for path, task in tuple(draft.state.tasks.items()):
        if task.status in ("pending", "retrying"):
            draft.add(types.TASK_CANCELLED, bodies.TaskCancelled(task=path), cause)


def _time_out(draft: Draft) -> Decision:
    if draft.state.has_ended:
        return draft.decision()
    close(draft, Cause(), types.RUN_FAILED, "timeout")
    draft.add(types.RUN_FAILED, bodies.RunFailed(reason="timeout"))
    return draft.decision()


def _unlist(draft: Draft, command: UnlistRun) -> Decision:
    if draft.state.has_ended and not draft.state.unlisted:
        draft.add(types.RUN_UNLISTED, bodies.RunUnlisted(offset=command.offset))
    return draft.decision()
