"""Incorta's status words of load plans, groups, schemas and tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from projections.documents.lifecycle import RunStatus
from projections.read_models.load_plans.apply import Group, NodeStatus, PlanRun, Table

Word = tuple[str, str]
"""``stateType`` and ``jobStatus``."""

_LOAD: Final = "Load State"
_END: Final = "Terminator State"

IN_QUEUE: Final[Word] = (_LOAD, "In Queue")
IN_PROGRESS: Final[Word] = (_LOAD, "In Progress")
SUCCESS: Final[Word] = (_END, "Success")
WITH_ERRORS: Final[Word] = (_END, "Finished with Errors")
FAILED: Final[Word] = (_END, "Failed")
INTERRUPTED: Final[Word] = (_END, "Interrupted")
NOT_COMPLETED: Final[Word] = (_END, "Not Completed")

RUNS: Final[Mapping[RunStatus, Word]] = {
    "queued": IN_QUEUE,
    "running": IN_PROGRESS,
    "cancelling": IN_PROGRESS,
    "succeeded": SUCCESS,
    "warned": WITH_ERRORS,
    "failed": FAILED,
    "cancelled": INTERRUPTED,
}
"""The load plan shows the run's own status, not a roll-up.

Source: docs.incorta.com, "Load Plan Execution Status", "Schema Manager" (load status).
"""

NODES: Final[Mapping[NodeStatus, Word]] = {
    "pending": IN_QUEUE,
    "running": IN_PROGRESS,
    "succeeded": SUCCESS,
    "warned": WITH_ERRORS,
    "partial": WITH_ERRORS,
    "failed": FAILED,
    "cancelled": INTERRUPTED,
    "skipped": NOT_COMPLETED,
}
"""Groups, schemas and tables; the first two are rolled up in the read model.

Source: docs.incorta.com, "Load Job Details Viewer", "Set Load Alert" (loader job states).
"""

CLOSED: Final[Mapping[NodeStatus, Word]] = {
    **NODES,
    "pending": NOT_COMPLETED,
    "running": INTERRUPTED,
}
"""The words once the plan has ended: no node below it may seem to be running."""


def plan(run: PlanRun, groups: Iterable[Group]) -> Word:
    """Return a run's word; a failed one that loaded a table is ``Finished with Errors``."""
    if run["status"] == "failed" and any(_loaded(table) for table in _tables(groups)):
        return WITH_ERRORS
    return RUNS[run["status"]]


def _tables(groups: Iterable[Group]) -> Iterator[Table]:
    for group in groups:
        for schema in group["schemas"]:
            yield from schema["tables"]


def _loaded(table: Table) -> bool:
    return table["state"] in ("succeeded", "warned")


def nodes(run: PlanRun) -> Mapping[NodeStatus, Word]:
    """Choose the words of the nodes below a run."""
    return CLOSED if RUNS[run["status"]][0] == _END else NODES
