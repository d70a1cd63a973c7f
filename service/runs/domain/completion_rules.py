"""The events that the ledger derives by itself: skipped tasks, and the end of the run."""

from __future__ import annotations

from events import bodies, types
from projections.documents.lifecycle import TASK_ENDED
from service.runs.domain.draft import Cause, Draft
from service.runs.domain.plans import any_open, any_with_status, blocked_tasks, main_tasks


def apply_completion_rules(draft: Draft, cause: Cause) -> None:
    """Skip the tasks that can no longer run; end the run if no task is left.

    Hooks are skipped like other tasks. Often there is nothing to add.
    """
    if draft.state.status not in ("running", "cancelling") or _ends_by_report_only(draft):
        return
    hooks, blocked = _runnable_hooks(draft), blocked_tasks(draft.plan, draft.state.tasks)
    for task in draft.plan.tasks:
        if task.path in blocked or (task.hook and task.hook not in hooks):
            _skip(draft, task.path, cause)
    if not any_open(draft.plan.tasks, draft.state.tasks):
        draft.add(*_end_of_run(draft), cause)


def end_open_tasks(
    draft: Draft, cause: Cause, end: str, reason: bodies.FailureReason = "error"
) -> None:
    """End every open task in the way in which its run ends.

    ``end`` is the type of the event that ends the run; ``reason`` is why a run failed. Tasks that
    never ran are skipped if the run failed, hooks that never ran unless it was cancelled.
    """
    for task in draft.plan.tasks:
        status = draft.state.tasks[task.path].status
        if status in TASK_ENDED:
            continue
        never_ran = status == "pending" and (task.hook is not None or end == types.RUN_FAILED)
        if end == types.RUN_CANCELLED:
            draft.add(types.TASK_CANCELLED, bodies.TaskCancelled(task=task.path), cause)
        elif never_ran:
            draft.add(types.TASK_SKIPPED, bodies.TaskSkipped(task=task.path), cause)
        elif end == types.RUN_FAILED:
            failed = bodies.TaskFailed(task=task.path, reason=reason, will_retry=False)
            draft.add(types.TASK_FAILED, failed, cause)
        else:
            draft.add(types.TASK_SUCCEEDED, bodies.TaskSucceeded(task=task.path), cause)


def _ends_by_report_only(draft: Draft) -> bool:
    # No task says when an external run without tasks is done. In process it has nothing to do.
    return not draft.plan.tasks and draft.state.executor == "external"


def _runnable_hooks(draft: Draft) -> frozenset[bodies.Hook]:
    """Name the kinds of hooks that may still run."""
    main, tasks = tuple(main_tasks(draft.plan)), draft.state.tasks
    failed = any_with_status(main, tasks, "failed")
    if any_open(main, tasks):
        return frozenset({"failure"}) if failed else frozenset({"success", "failure"})
    if draft.state.status == "cancelling":
        return frozenset()
    if failed:
        return frozenset({"failure"})
    return frozenset() if any_with_status(main, tasks, "cancelled") else frozenset({"success"})


def _skip(draft: Draft, path: str, cause: Cause) -> None:
    if draft.state.tasks[path].status != "pending":
        return
    if draft.state.status == "cancelling":
        draft.add(types.TASK_CANCELLED, bodies.TaskCancelled(task=path), cause)
    else:
        draft.add(types.TASK_SKIPPED, bodies.TaskSkipped(task=path), cause)


def _end_of_run(draft: Draft) -> tuple[str, bodies.RunBody]:
    state, tasks = draft.state, draft.plan.tasks
    if state.status == "cancelling":
        return types.RUN_CANCELLED, bodies.RunCancelled()
    if state.failing:
        return types.RUN_FAILED, bodies.RunFailed(reason=state.reason or "error")
    if any_with_status(tasks, state.tasks, "cancelled"):
        return types.RUN_CANCELLED, bodies.RunCancelled()
    if any_with_status(tasks, state.tasks, "warned"):
        return types.RUN_WARNED, bodies.RunWarned()
    return types.RUN_SUCCEEDED, bodies.RunSucceeded()
