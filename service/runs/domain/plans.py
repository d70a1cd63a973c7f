"""Questions about a plan and its tasks: what is ready, what can no longer run, which is meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from projections.documents.flow import Plan, PlanTask, task_id
from service.runs.domain.state import RunState, TaskState
from service.runs.domain.transitions import TASK_ENDED, TaskStatus

UUID_LENGTH: Final = 36


def ready(plan: Plan, state: RunState) -> tuple[PlanTask, ...]:
    """List the tasks that may start now, in the order of the plan; hooks when it is their turn.

    None may while a run is cancelling or has ended. A task between two attempts is among them: how
    long to wait before the next is its executor's to know.
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
    """Yield the tasks that are no hooks."""
    return (task for task in plan.tasks if task.hook is None)


def any_open(tasks: Iterable[PlanTask], states: Mapping[str, TaskState]) -> bool:
    """Tell whether a task of these has not ended."""
    return any(states[task.path].status not in TASK_ENDED for task in tasks)


def any_in(tasks: Iterable[PlanTask], states: Mapping[str, TaskState], status: TaskStatus) -> bool:
    """Tell whether a task of these stands in a state."""
    return any(states[task.path].status == status for task in tasks)


def blocked(plan: Plan, states: Mapping[str, TaskState]) -> frozenset[str]:
    """Name the tasks that can no longer run: what follows a failed or cancelled task, near or far.

    What a reporter skipped blocks nothing: elsewhere a skipped step lets the next one go on.
    """
    stopped = (path for path, task in states.items() if task.status in ("failed", "cancelled"))
    return following(plan, stopped)


def following(plan: Plan, paths: Iterable[str]) -> frozenset[str]:
    """Name the tasks that wait for one of these, near or far."""
    reached: set[str] = set()
    stack = list(paths)
    while stack:
        new = set(plan.followers[stack.pop()]) - reached
        reached |= new
        stack.extend(new)
    return frozenset(reached)


def resolve(plan: Plan, run_id: str, name: str) -> str | None:
    """Find the path of a task by its path, by a key that is unique in the plan, or by its id."""
    if name in plan.by_path:
        return name
    paths = [task.path for task in plan.tasks if task.key == name]
    if not paths and len(name) == UUID_LENGTH:
        wanted = name.lower()
        paths = [task.path for task in plan.tasks if task_id(run_id, task.path) == wanted]
    return paths[0] if len(paths) == 1 else None
