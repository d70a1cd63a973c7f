"""Director's five status words of workflows and tasks.

Source: the answers of celery-director 0.9.0 and 0.10.0; ``canceled`` has one L.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from projections.documents.lifecycle import RunStatus, TaskStatus
from projections.documents.run import RunDocument

Word = Literal["pending", "progress", "success", "error", "canceled"]

RUNS: Final[Mapping[RunStatus, Word]] = {
    "queued": "pending",
    "running": "progress",
    "cancelling": "progress",
    "succeeded": "success",
    "warned": "success",
    "failed": "error",
    "cancelled": "canceled",
}
TASKS: Final[Mapping[TaskStatus, Word]] = {
    "pending": "pending",
    "running": "progress",
    "succeeded": "success",
    "warned": "success",
    "failed": "error",
    "cancelled": "canceled",
    "skipped": "canceled",
}


def workflow_status(run: RunDocument) -> Word:
    """Return a run's status word: ``error`` from the first final task failure on.

    It stays ``error`` whatever happens next, even a cancel, since clients stop polling there.
    """
    return "error" if run["failing"] else RUNS[run["status"]]


def has_failed(run: RunDocument) -> bool:
    """Tell whether a task has finally failed: then Director creates the failure hook."""
    return bool(run["failing"]) or run["status"] == "failed"
