"""Writes a run as a row of NAVER's list of executions.

Source: api.ncloud-docs.com, analytics-dataflow-getworkflowexecutions.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from math import ceil
from typing import Any, Final

from projections.flow import Flow
from service.dialects.naver.ids import execution_id
from service.dialects.naver.statuses import RUNS

WORKERS: Final = 2
TIMEOUT_MIN: Final = 360
MOST_TIMEOUT_MIN: Final = 1440
_KOREA: Final = timezone(timedelta(hours=9))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_US: Final = 1_000_000


def date(time_us: int) -> str:
    """Write a time as NAVER does: Korean time, whole seconds, cut off.

    >>> date(1_767_225_606_999_999)
    '2026-01-01T09:00:06+09:00'
    """
    return _second(time_us // _SECOND_US)


# Lists are polled: the same rows, so the same seconds, come again and again.
@lru_cache(maxsize=10_000)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).astimezone(_KOREA).isoformat()


def execution(run: Mapping[str, Any], condition: Mapping[str, Any], now_us: int) -> dict[str, Any]:
    """Show a run as an execution; the two durations grow with the clock until it ends."""
    flow_ids = run["flow_ids"]["naver"]
    created, started, ended = run["created_us"], run["started_us"], run["ended_us"]
    until = now_us if ended is None else ended
    return {
        "jobExecutionId": execution_id(run["run_number"]),
        "jobId": flow_ids["jobId"],
        "jobName": run["fullname"],
        "jobCondition": condition,
        "status": RUNS[run["status"]],
        "startDate": date(created if started is None else started),
        "endDate": None if ended is None else date(ended),
        "createdDate": date(created),
        "triggerId": flow_ids["triggerId"],
        "triggerName": run["fullname"],
        "waitingTime": _seconds(created, until if started is None else started),
        "runningTime": 0 if started is None else _seconds(started, until),
        "executorNum": condition["numWorker"],
        "parsedParameters": run["payload"] or [],
        "type": "WORKFLOW",
    }


def job_condition(flow: Flow) -> dict[str, Any]:
    """Show under which conditions a flow runs; scripts and their logs are not NAVER's here."""
    return {
        "workerType": "DEFAULT",
        "numWorker": WORKERS,
        "timeout": _timeout_min(flow.timeout_s),
        "nrn": None,
        "scriptPath": None,
        "logPath": None,
        "consoleLogPath": None,
    }


def _timeout_min(timeout_s: float | None) -> int:
    if timeout_s is None:
        return TIMEOUT_MIN
    return min(ceil(timeout_s / 60), MOST_TIMEOUT_MIN)


def _seconds(begin_us: int, end_us: int) -> int:
    return max(0, end_us - begin_us) // _SECOND_US
