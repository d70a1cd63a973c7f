"""The decider: which events a command leads to, given a run's state. Pure."""

from __future__ import annotations

from typing import Final, assert_never

from events import bodies, types
from projections.documents.flow import Plan
from service.access import Origin, metadata_of
from service.runs.domain.commands import (
    CancelRun,
    ClaimRun,
    RecordCorrection,
    ReportEvents,
    TimeOutRun,
    UnlistRun,
)
from service.runs.domain.completion_rules import apply_completion_rules, end_open_tasks
from service.runs.domain.draft import Cause, Decision, Draft, NewId
from service.runs.domain.reports import evaluate_report
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
]

MAX_WORKER_CRASHES: Final = 3
"""A task has failed once its worker crashed this many times."""

RunCommand = ClaimRun | CancelRun | ReportEvents | TimeOutRun | UnlistRun
"""The commands about a run that exists. `run_creation` has those that create one."""


def decide(plan: Plan, state: RunState, command: RunCommand, new_id: NewId) -> Decision:
    """Decide a command. One that is not allowed is refused in the decision, never raised."""
    match command:
        case ClaimRun():
            return _claim(_draft(plan, state, command.origin, new_id), command)
        case CancelRun():
            return _cancel(_draft(plan, state, command.origin, new_id), command)
        case TimeOutRun():
            return _time_out(_draft(plan, state, command.origin, new_id))
        case UnlistRun():
            return _unlist(_draft(plan, state, command.origin, new_id), command)
        case ReportEvents():
            epoch = command.epoch if command.worker else 0
            metadata = metadata_of(command.origin, worker=command.worker, epoch=epoch)
            draft = Draft(plan, state, command.origin, new_id, metadata)
            return draft.decision(evaluate_report(draft, command))
        case _:
            assert_never(command)


def correct(
    plan: Plan, state: RunState, command: RecordCorrection, new_id: NewId, *, version: int
) -> Decision:
    """Decide a correction of the run's event at a version.

    Every state allows one, so the decision holds whatever has happened since the state was read.
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
    _fail_lost_attempts(draft, cause)
    apply_completion_rules(draft, cause)
    return draft.decision()


def _fail_lost_attempts(draft: Draft, cause: Cause) -> None:
    """Fail the attempts that the lost worker had in progress; retry up to the bound."""
    for path, task in tuple(draft.state.tasks.items()):
        if task.status not in ("running", "retrying"):
            continue
        if draft.state.status == "cancelling":
            draft.add(types.TASK_CANCELLED, bodies.TaskCancelled(task=path), cause)
            continue
        will_retry = task.worker_crashes + 1 < MAX_WORKER_CRASHES
        failed = bodies.TaskFailed(task=path, reason="lost", will_retry=will_retry)
        draft.add(types.TASK_FAILED, failed, cause)


def _cancel(draft: Draft, command: CancelRun) -> Decision:
    state = draft.state
    if state.has_ended:
        return _refuse_cancel(draft, command)
    if state.status == "cancelling" and not command.force:
        return draft.decision()
    external = state.executor == "external"
    at_once = command.force or (state.status == "queued" and not external)
    requested = bodies.RunCancelRequested(force=command.force)
    cause = draft.add(types.RUN_CANCEL_REQUESTED, requested)
    if at_once:
        end_open_tasks(draft, cause, types.RUN_CANCELLED)
        draft.add(types.RUN_CANCELLED, bodies.RunCancelled(), cause)
    elif not external:
        _cancel_waiting_tasks(draft, cause)
        apply_completion_rules(draft, cause)
    return draft.decision()


def _refuse_cancel(draft: Draft, command: CancelRun) -> Decision:
    reason = f"the run has ended: it is {draft.state.status}"
    data = {"force": command.force}
    refused = bodies.ReportRefused(type="CancelRun", task=None, reason=reason, data=data)
    draft.add(types.REPORT_REFUSED, refused)
    return draft.decision(refusal=reason)


def _cancel_waiting_tasks(draft: Draft, cause: Cause) -> None:
    for path, task in tuple(draft.state.tasks.items()):
        if task.status in ("pending", "retrying"):
            draft.add(types.TASK_CANCELLED, bodies.TaskCancelled(task=path), cause)


def _time_out(draft: Draft) -> Decision:
    if draft.state.has_ended:
        return draft.decision()
    end_open_tasks(draft, Cause(), types.RUN_FAILED, "timeout")
    draft.add(types.RUN_FAILED, bodies.RunFailed(reason="timeout"))
    return draft.decision()


def _unlist(draft: Draft, command: UnlistRun) -> Decision:
    if draft.state.has_ended and not draft.state.unlisted:
        draft.add(types.RUN_UNLISTED, bodies.RunUnlisted(offset=command.offset))
    return draft.decision()
