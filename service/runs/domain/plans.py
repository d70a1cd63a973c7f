"""Questions about a plan and the states of its tasks: which are ready, which are blocked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from projections.documents.flow import Plan, PlanTask
from projections.documents.lifecycle import TASK_ENDED
from projections.documents.task import task_ids
from service.runs.domain.state import RunState, TaskState
from service.runs.domain.transitions import InternalTaskStatus

UUID_LENGTH: Final = 36


def ready_tasks(plan: Plan, state: RunState) -> tuple[PlanTask, ...]:
    """List the tasks that may start now, in the plan's order.

    Hooks are ready once all other tasks have ended. No task is ready while the run is cancelling or
    has ended. A task between two attempts is ready: its executor decides how long to wait.
    """
    if state.status not in ("queued", "running"):
        return ()
    main_open = any_open(main_tasks(plan), state.tasks)
    return tuple(
        task
        for task in plan.tasks
        if state.tasks[task.path].status in ("pending", "retrying")
        and not (task.hook and main_open)
        and all(state.tasks[path].status in TASK_ENDED for path in task.previous)
    )


def main_tasks(plan: Plan) -> Iterable[PlanTask]:
    """Yield the tasks that are not hooks."""
    return (task for task in plan.tasks if task.hook is None)


def any_open(tasks: Iterable[PlanTask], states: Mapping[str, TaskState]) -> bool:
    """Tell whether any of these tasks has not ended."""
    return any(states[task.path].status not in TASK_ENDED for task in tasks)


def any_with_status(
    tasks: Iterable[PlanTask], states: Mapping[str, TaskState], status: InternalTaskStatus
) -> bool:
    """Tell whether any of these tasks has a status."""
    return any(states[task.path].status == status for task in tasks)


def blocked_tasks(plan: Plan, states: Mapping[str, TaskState]) -> frozenset[str]:
    """Name the tasks downstream of a failed or cancelled task.

    A task that a reporter skipped blocks nothing: on other platforms the next step then runs.
    """
    failed = (path for path, task in states.items() if task.status in ("failed", "cancelled"))
    return downstream_tasks(plan, failed)


def downstream_tasks(plan: Plan, paths: Iterable[str]) -> frozenset[str]:
    """Name the tasks that wait for one of these, directly or not."""
    reached: set[str] = set()
    stack = list(paths)
    while stack:
        new = set(plan.followers[stack.pop()]) - reached
        reached |= new
        stack.extend(new)
    return frozenset(reached)


def resolve_task(plan: Plan, run_id: str, name: str) -> str | None:
    """Find a task's path by that path, by a key unique in the plan, or by its id."""
    if name in plan.by_path:
        return name
    paths = [task.path for task in plan.tasks if task.key == name]
    if not paths and len(name) == UUID_LENGTH:
        wanted = name.lower()
        paths = [path for path, task_id in task_ids(run_id, plan).items() if task_id == wanted]
    return paths[0] if len(paths) == 1 else None
