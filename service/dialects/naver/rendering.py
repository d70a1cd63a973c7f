"""Writes runs as NAVER's executions, and flows as its workflows, jobs and triggers.

Source: api.ncloud-docs.com, analytics-dataflow-getworkflowexecutions, -getworkflows,
-getworkflowbyid, -getjobs, -getjobbyid, -gettriggers, -executejob.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from math import ceil
from typing import Any, Final

from projections.flow import Flow
from service.dialects.naver import triggers
from service.dialects.naver.ids import execution_id
from service.dialects.naver.jobs import SOURCE, Job, jobs_of
from service.dialects.naver.statuses import RUNS, JobWord, job_word
from service.runs.reads import Shelf

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


def started(run: Mapping[str, Any], flow: Flow) -> dict[str, Any]:
    """Show the execution that a start of a flow's job made."""
    return {
        "jobId": flow.ids[SOURCE]["jobId"],
        "jobExecutionId": execution_id(run["run_number"]),
        "status": RUNS[run["status"]],
        "jobCondition": run_condition(flow.timeout_s),
        "createdDate": date(run["created_us"]),
    }


def job_condition(timeout_s: float | None) -> dict[str, Any]:
    """Show under which conditions a job was executed."""
    return {**run_condition(timeout_s), "consoleLogPath": None}


def run_condition(timeout_s: float | None) -> dict[str, Any]:
    """Show under which conditions a job runs; scripts and their logs are not NAVER's here."""
    return {
        "workerType": "DEFAULT",
        "numWorker": WORKERS,
        "timeout": _timeout_min(timeout_s),
        "nrn": None,
        "scriptPath": None,
        "logPath": None,
    }


def workflow(shelf: Shelf, flow: Flow) -> dict[str, Any]:
    """Show a workflow in full."""
    return {
        "workflowId": flow.ids[SOURCE]["workflowId"],
        "name": flow.fullname,
        "nodes": _nodes(shelf, flow),
        **_dates(shelf, flow),
        "isTemp": False,
    }


def workflow_row(shelf: Shelf, flow: Flow, last: Mapping[str, Any] | None) -> dict[str, Any]:
    """Show a workflow as a row of a list; ``last`` is its newest run."""
    return {
        **workflow(shelf, flow),
        "lastExecutionDate": _begun(last),
        "triggerRuleType": triggers.rule_type(flow),
        "resourceId": flow.ids[SOURCE]["workflowId"],
        "disabled": False,
    }


def _nodes(shelf: Shelf, flow: Flow) -> list[dict[str, Any]]:
    valid = flow.fullname not in shelf.retired
    trigger = {
        "id": flow.ids[SOURCE]["triggerId"],
        "name": flow.fullname,
        "type": "TRIGGER",
        "parentNodeIds": [],
        "triggerRule": triggers.rule_type(flow),
        "isValid": valid,
    }
    return [*(_node(job, valid=valid) for job in jobs_of(shelf, flow)), trigger]


def _node(job: Job, *, valid: bool) -> dict[str, Any]:
    return {
        "id": job.job_id,
        "name": job.name,
        "type": "JOB",
        "parentNodeIds": [job.flow.ids[SOURCE]["triggerId"]],
        "jobCondition": run_condition(job.timeout_s),
        "isValid": valid,
    }


def job(shelf: Shelf, job: Job, last: Mapping[str, Any] | None) -> dict[str, Any]:
    """Show a job in full; its own nodes, and their data, are not NAVER's here."""
    return {
        "jobId": job.job_id,
        "name": job.name,
        "description": None,
        "nodes": [],
        "runCondition": run_condition(job.timeout_s),
        **_standing(shelf, job, last),
    }


def job_row(shelf: Shelf, job: Job, last: Mapping[str, Any] | None) -> dict[str, Any]:
    """Show a job as a row of a list; ``last`` is the newest run that it was part of."""
    return {
        "jobId": job.job_id,
        "name": job.name,
        **_standing(shelf, job, last),
        "resourceId": job.job_id,
        "disabled": False,
    }


def _standing(shelf: Shelf, job: Job, last: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "type": "DATAFLOW",
        "status": job_status(shelf, job, last),
        "lastExecutionStatus": None if last is None else RUNS[last["status"]],
        "createdDate": date(job.created_us),
        "updatedDate": date(shelf.touched_us[job.flow.fullname]),
        "lastExecutionDate": _begun(last),
    }


def job_status(shelf: Shelf, job: Job, last: Mapping[str, Any] | None) -> JobWord:
    """Say how a job stands."""
    retired = job.flow.fullname in shelf.retired
    return job_word(retired=retired, last=None if last is None else last["status"])


def trigger(shelf: Shelf, flow: Flow) -> dict[str, Any]:
    """Show a flow's trigger; a flow without a schedule has one too, by which it is started."""
    return {
        "triggerId": flow.ids[SOURCE]["triggerId"],
        "name": flow.fullname,
        "type": triggers.kind(flow),
        "triggerRule": triggers.rule(flow),
        **_dates(shelf, flow),
    }


def _dates(shelf: Shelf, flow: Flow) -> dict[str, str]:
    return {
        "createdDate": date(shelf.versions[flow.fullname][0].at_us),
        "updatedDate": date(shelf.touched_us[flow.fullname]),
    }


def _begun(run: Mapping[str, Any] | None) -> str | None:
    if run is None:
        return None
    return date(run["created_us"] if run["started_us"] is None else run["started_us"])


def _timeout_min(timeout_s: float | None) -> int:
    if timeout_s is None:
        return TIMEOUT_MIN
    return min(ceil(timeout_s / 60), MOST_TIMEOUT_MIN)


def _seconds(begin_us: int, end_us: int) -> int:
    return max(0, end_us - begin_us) // _SECOND_US
