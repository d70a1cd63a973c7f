"""Retries: which tasks of an earlier run are reused, and which failed runs are retried. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from events import types
from events.bodies import ReusedTask, RunQueued, SlotTaken
from events.codec import encode, encode_body
from events.envelope import NewEvent
from projections.documents.flow import Plan
from projections.read_models.load_plans.apply import planned
from service.access import Origin, metadata_of
from service.errors import NotRetryable, RunNotFinished, UnknownGroup
from service.runs.domain.commands import RetryScope
from service.runs.domain.draft import NewId
from service.runs.domain.plans import downstream_tasks, main_tasks
from service.runs.domain.state import RunState

_DONE: Final[dict[str, Literal["succeeded", "warned"]]] = {
    "succeeded": "succeeded",
    "warned": "warned",
}


def reused_tasks(
    plan: Plan, earlier: RunState | None, scope: RetryScope | None
) -> Sequence[ReusedTask]:
    """List the tasks that a retry does not run again, in the plan's order.

    Tasks are matched by path: a task that is new in the flow runs, and so do those downstream of
    it. Hooks always run again.

    Raises:
        UnknownGroup: the plan has no such group.
        RunNotFinished: the earlier run has not ended.
        NotRetryable: no task would run, or one before the group has never been done.
    """
    if earlier is None or scope is None:
        return ()
    groups = task_groups(plan)
    if not 1 <= scope.group <= len(groups):
        raise UnknownGroup(scope.group, len(groups))
    if not earlier.has_ended:
        raise RunNotFinished(
            f"run {earlier.run_id} has not ended, it is {earlier.status}; retry it when it has"
        )
    again = _tasks_to_run(plan, earlier, scope, groups)
    if not again:
        raise NotRetryable("nothing of the run is left to do: retry it from the start")
    return [reused_task(t.path, earlier) for t in main_tasks(plan) if t.path not in again]


def reused_task(path: str, earlier: RunState) -> ReusedTask:
    """Name the run in which a task was done: the earlier run, or one that it reused itself."""
    run_id = earlier.reused_tasks.get(path, earlier.run_id)
    return {"task": path, "run_id": run_id, "status": _DONE[earlier.tasks[path].status]}


def task_groups(plan: Plan) -> list[frozenset[str]]:
    """List the task paths of each group of a plan, task_groups as in load plans."""
    return [
        frozenset(table["task"] for schema in group["schemas"] for table in schema["tables"])
        for group in planned(plan)
    ]


def _tasks_to_run(
    plan: Plan, earlier: RunState, scope: RetryScope, groups: Sequence[frozenset[str]]
) -> frozenset[str]:
    """Name the tasks that run again, without hooks."""
    main = frozenset(task.path for task in main_tasks(plan))
    incomplete = main - {path for path, task in earlier.tasks.items() if task.status in _DONE}
    chosen = frozenset().union(*groups[scope.group - 1 :])
    before = frozenset().union(*groups[: scope.group - 1]) - chosen
    first = incomplete - before if scope.only_incomplete else chosen | (incomplete - before)
    again = first | downstream_tasks(plan, first)
    if missing := before & incomplete - again:
        raise NotRetryable(
            f"task {min(missing)} before group {scope.group} is not done:"
            " retry from its group, or what is not done"
        )
    return again


@dataclass(frozen=True, slots=True)
class AutomaticRetry:
    """A new run, appended together with the failure of the run that it retries.

    ``slot_taken`` takes the slot of an exclusive flow for the new run; else it is None.
    """

    run_id: str
    queued: NewEvent
    slot_taken: NewEvent | None


def should_retry(plan: Plan, before: RunState, after: RunState) -> bool:
    """Tell whether a run that has just failed is retried.

    A run that somebody cancelled is not, nor one whose flow has no retries left.
    """
    end_requested = before.has_ended or before.status == "cancelling"
    return after.status == "failed" and not end_requested and after.attempt <= plan.retries


def automatic_retry(
    plan: Plan,
    failed: RunState,
    end: NewEvent,
    *,
    origin: Origin,
    run_number: int,
    new_id: NewId,
) -> AutomaticRetry:
    """Build the run that retries a failed one; ``origin`` is that of the command that failed it.

    The new run has the same flow version, trigger and starter as the first of its chain.
    """
    run_id, metadata = new_id(), encode(metadata_of(origin))

    def event(type_: str, body: RunQueued | SlotTaken, cause: str) -> NewEvent:
        return NewEvent(
            new_id(),
            type_,
            encode_body(body),
            origin.actor,
            metadata=metadata,
            correlation_id=failed.root_run,
            causation_id=cause,
        )

    body = _queued_body(plan, failed, run_id=run_id, run_number=run_number)
    queued = event(types.RUN_QUEUED, body, end.event_id)
    if not failed.exclusive:
        return AutomaticRetry(run_id, queued, None)
    slot_taken = event(types.SLOT_TAKEN, SlotTaken(run_id=run_id), queued.event_id)
    return AutomaticRetry(run_id, queued, slot_taken)


def _queued_body(plan: Plan, failed: RunState, *, run_id: str, run_number: int) -> RunQueued:
    body: RunQueued = {
        "run_id": run_id,
        "run_number": run_number,
        "flow": failed.fullname,
        "flow_version": failed.flow_version,
        "executor": failed.executor,
        "exclusive": failed.exclusive,
        "payload": failed.payload,
        "comment": failed.comment,
        "trigger": failed.trigger,
        "started_by": failed.started_by,
        "attempt": failed.attempt + 1,
        "retry_of": failed.run_id,
        "root_run": failed.root_run,
        "root_run_number": failed.root_run_number,
    }
    if failed.project is not None:
        body["project"] = failed.project
    if plan.retry_delay_s:
        body["delay_s"] = plan.retry_delay_s
    if failed.reused_tasks:
        body["carried"] = [reused_task(path, failed) for path in failed.reused_tasks]
    return body
