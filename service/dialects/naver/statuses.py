"""NAVER Data Flow's five words for how an execution stands.

Source: api.ncloud-docs.com, analytics-dataflow-getworkflowexecutions; ``CANCELED`` has one L.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

Word = Literal["READY", "RUNNING", "COMPLETED", "FAILED", "CANCELED"]

RUNS: Final[Mapping[str, Word]] = {
    "queued": "READY",
    "running": "RUNNING",
    "cancelling": "RUNNING",
    "succeeded": "COMPLETED",
    "warned": "COMPLETED",
    "failed": "FAILED",
    "cancelled": "CANCELED",
}

JobWord = Literal["RUNNABLE", "RUNNING", "DELETED", "DRAFT", "EDITING", "STOPPED", "UNKNOWN"]

JOB_WORDS: Final[frozenset[JobWord]] = frozenset(get_args(JobWord))
"""What may be asked of a job; of ours only the first three ever hold.

Source: api.ncloud-docs.com, analytics-dataflow-getjobs.
"""

_RUNS_ON: Final = frozenset({"running", "cancelling"})


def job_word(*, retired: bool, last: str | None) -> JobWord:
    """Say how a job stands: ``last`` is the state of its newest run.

    >>> job_word(retired=False, last="queued")
    'RUNNABLE'
    """
    if retired:
        return "DELETED"
    return "RUNNING" if last in _RUNS_ON else "RUNNABLE"
