"""What follows by itself once something has happened: skips, the hooks' turn, the run's end."""

from __future__ import annotations

from events import bodies, types
from service.runs.domain.draft import Cause, Draft
from service.runs.domain.plans import any_in, any_open, blocked, main_tasks
from service.runs.domain.transitions import TASK_ENDED


def settle(draft: Draft, cause: Cause) -> None:
    """Add what the run's state now calls for, up to the run's end; often that is nothing.

    What can no longer run is skipped, hooks included; when the last task has ended, the run ends.
    """
    if draft.state.status not in ("running", "cancelling") or _ends_by_report_only(draft):
        return
    hopeful, stopped = _hopeful_hooks(draft), blocked(draft.plan, draft.state.tasks)
    for task in draft.plan.tasks:
        if task.path in stopped or (task.hook and task.hook not in hopeful):
            _drop(draft, task.path, cause)
    if not any_open(draft.plan.tasks, draft.state.tasks):
        draft.add(*_end(draft), cause)


def close(draft: Draft, cause: Cause, end: str, reason: bodies.FailureReason = "error") -> None:
    """End every open task as the end of its run says: what ran shares the run's fate.

    ``reason`` is why the run failed, if it did. A hook that never ran is skipped, whatever became
    of the run.
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
    # Without tasks nothing can be concluded; in process such a run simply has nothing to do.
    return not draft.plan.tasks and draft.state.executor == "external"


def _hopeful_hooks(draft: Draft) -> frozenset[bodies.Hook]:
    """Name the kinds of hooks that may still get their turn."""
    main, tasks = tuple(main_tasks(draft.plan)), draft.state.tasks
    failed = any_in(main, tasks, "failed")
    if any_open(main, tasks):
        return frozenset({"failure"}) if failed else frozenset({"success", "failure"})
    if draft.state.status == "cancelling":
        return frozenset()
    if failed:
        return frozenset({"failure"})
    return frozenset() if any_in(main, tasks, "cancelled") else frozenset({"success"})


def _drop(draft: Draft, path: str, cause: Cause) -> None:
    if draft.state.tasks[path].status != "pending":
        return
    if draft.state.status == "cancelling":
        draft.add(types.TASK_CANCELLED, bodies.TaskCancelled(task=path), cause)
    else:
        draft.add(types.TASK_SKIPPED, bodies.TaskSkipped(task=path), cause)


def _end(draft: Draft) -> tuple[str, bodies.RunBody]:
    state, tasks = draft.state, draft.plan.tasks
    if state.status == "cancelling":
        return types.RUN_CANCELLED, bodies.RunCancelled()
    if state.failing:
        return types.RUN_FAILED, bodies.RunFailed(reason=state.reason or "error")
    if any_in(tasks, state.tasks, "cancelled"):
        return types.RUN_CANCELLED, bodies.RunCancelled()
    if any_in(tasks, state.tasks, "warned"):
        return types.RUN_WARNED, bodies.RunWarned()
    return types.RUN_SUCCEEDED, bodies.RunSucceeded()
