"""NAVER Data Flow's status words of executions and jobs.

Source: api.ncloud-docs.com, analytics-dataflow-getworkflowexecutions; ``CANCELED`` has one L.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

from projections.documents.lifecycle import RunStatus, TaskStatus

Word = Literal["READY", "RUNNING", "COMPLETED", "FAILED", "CANCELED"]

RUNS: Final[Mapping[RunStatus, Word]] = {
    "queued": "READY",
    "running": "RUNNING",
    "cancelling": "RUNNING",
    "succeeded": "COMPLETED",
    "warned": "COMPLETED",
    "failed": "FAILED",
    "cancelled": "CANCELED",
}

TASKS: Final[Mapping[TaskStatus, Word]] = {
    "pending": "READY",
    "running": "RUNNING",
    "succeeded": "COMPLETED",
    "warned": "COMPLETED",
    "failed": "FAILED",
    "cancelled": "CANCELED",
    "skipped": "CANCELED",
}

ENDED: Final[frozenset[Word]] = frozenset({"COMPLETED", "FAILED", "CANCELED"})

JobWord = Literal["RUNNABLE", "RUNNING", "DELETED", "DRAFT", "EDITING", "STOPPED", "UNKNOWN"]

JOB_WORDS: Final[frozenset[JobWord]] = frozenset(get_args(JobWord))
"""The documented words of a job; ours have only the first three.

Source: api.ncloud-docs.com, analytics-dataflow-getjobs.
"""


def job_word(*, deleted: bool, last: Word | None) -> JobWord:
    """Return a job's word; ``last`` is the word of its newest execution.

    >>> job_word(deleted=False, last="READY")
    'RUNNABLE'
    """
    if deleted:
        return "DELETED"
    return "RUNNING" if last == "RUNNING" else "RUNNABLE"
