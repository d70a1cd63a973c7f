"""Which part of an earlier run runs again, and what of it is done already. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from events.bodies import ReusedTask
from projections.documents.flow import Plan
from projections.read_models.load_plans.apply import planned
from service.errors import NotRetryable, RunNotFinished, UnknownGroup
from service.runs.domain.commands import Part
from service.runs.domain.plans import following, main_tasks
from service.runs.domain.state import RunState

_DONE: Final[dict[str, Literal["succeeded", "warned"]]] = {
    "succeeded": "succeeded",
    "warned": "warned",
}


def carried_over(plan: Plan, earlier: RunState | None, part: Part | None) -> Sequence[ReusedTask]:
    """List the tasks of a plan that a retry of a part does not run again, in the plan's order.

    A task is known by its path: where the flow has changed since, what is new in it runs, and what
    waits for that. Hooks always run again. Each names the run in which it was done, which may be
    one before the earlier run.

    Raises:
        UnknownGroup: the plan has no such group.
        RunNotFinished: the earlier run has not ended.
        NotRetryable: nothing would run, or something before the group has never been done.
    """
    if earlier is None or part is None:
        return ()
    groups = grouped(plan)
    if not 1 <= part.group <= len(groups):
        raise UnknownGroup(part.group, len(groups))
    if not earlier.has_ended:
        raise RunNotFinished(f"run {earlier.run_id} has not ended: it is {earlier.status}")
    again = _again(plan, earlier, part, groups)
    kept = [task.path for task in main_tasks(plan) if task.path not in again]
    if not again:
        raise NotRetryable("nothing of the run is left to do: retry it from the start")
    return [as_carried(path, earlier) for path in kept]


def grouped(plan: Plan) -> list[frozenset[str]]:
    """Give the tasks of each group of a plan, as load plans show them."""
    return [
        frozenset(table["task"] for schema in group["schemas"] for table in schema["tables"])
        for group in planned(plan)
    ]


def _again(
    plan: Plan, earlier: RunState, part: Part, groups: Sequence[frozenset[str]]
) -> frozenset[str]:
    """Name the tasks that run again, hooks left out."""
    main = frozenset(task.path for task in main_tasks(plan))
    undone = main - {path for path, task in earlier.tasks.items() if task.status in _DONE}
    chosen = frozenset().union(*groups[part.group - 1 :])
    before = frozenset().union(*groups[: part.group - 1]) - chosen
    first = undone - before if part.undone_only else chosen | (undone - before)
    again = first | following(plan, first)
    if missing := before & undone - again:
        raise NotRetryable(
            f"task {min(missing)} before group {part.group} is not done:"
            " retry from its group, or what is not done"
        )
    return again


def as_carried(path: str, earlier: RunState) -> ReusedTask:
    """Name the run in which a task of an earlier run was done, which may be one before it."""
    run_id = earlier.carried.get(path, earlier.run_id)
    return {"task": path, "run_id": run_id, "status": _DONE[earlier.tasks[path].status]}
