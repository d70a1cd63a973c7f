"""Renders runs as NAVER's executions, and flows as its workflows, jobs and triggers.

Source: api.ncloud-docs.com, analytics-dataflow-getworkflowexecutions, -getworkflows,
-getworkflowbyid, -getjobs, -getjobbyid, -gettriggers, -executejob.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from itertools import islice
from math import ceil
from typing import Any, Final

from projections.documents.flow import Flow
from projections.documents.run import RunDocument
from projections.documents.task import ListingDocument, TaskSummary
from service.dialects.naver import triggers
from service.dialects.naver.ids import execution_id
from service.dialects.naver.jobs import SOURCE, Job, jobs_by_task, jobs_of, task_in
from service.dialects.naver.parsing import Paging
from service.dialects.naver.statuses import RUNS, TASKS, JobWord, Word, job_word
from service.flows.catalogue import TenantCatalogue

WORKERS: Final = 2
DEFAULT_TIMEOUT_MIN: Final = 360
MAX_TIMEOUT_MIN: Final = 1440
_KOREA: Final = timezone(timedelta(hours=9))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_US: Final = 1_000_000


def date(time_us: int) -> str:
    """Format a time as NAVER does: Korean time, truncated to seconds.

    >>> date(1_767_225_606_999_999)
    '2026-01-01T09:00:06+09:00'
    """
    return _second(time_us // _SECOND_US)


# Clients poll lists, so the same rows, and the same seconds, recur.
@lru_cache(maxsize=10_000)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).astimezone(_KOREA).isoformat()


def page(rows: Sequence[Mapping[str, Any]], count: int, paging: Paging) -> dict[str, Any]:
    """Render a page of a list; ``count`` is the number of all rows that match."""
    return {"list": rows, "count": count, "page": paging.page, "limit": paging.limit}


def execution(run: RunDocument, condition: Mapping[str, Any], now_us: int) -> dict[str, Any]:
    """Show a run as an execution; the two durations grow with the clock until it ends."""
    job = (run["flow_ids"][SOURCE]["jobId"], run["fullname"])
    return _execution(run, 0, job, (RUNS[run["status"]], run), condition, now_us)


def task_execution(
    run: RunDocument, task: TaskSummary, row: int, flow: Flow, now_us: int
) -> dict[str, Any]:
    """Show a task of a run as an execution; ``row``, from 1, is its place in the run's version."""
    job_id = next(islice(jobs_by_task(flow), row - 1, None))
    condition = task_condition(flow, task["path"])
    standing = (TASKS[task["status"]], task)
    return _execution(run, row, (job_id, task["path"]), standing, condition, now_us)


def _execution(
    run: RunDocument,
    row: int,
    job: tuple[str, str],
    standing: tuple[str, RunDocument | TaskSummary],
    condition: Mapping[str, Any],
    now_us: int,
) -> dict[str, Any]:
    word, times = standing
    created, started, ended = run["created_us"], times["started_us"], times["ended_us"]
    until = now_us if ended is None else ended
    return {
        "jobExecutionId": execution_id(run["run_number"], row),
        "jobId": job[0],
        "jobName": job[1],
        "jobCondition": condition,
        "status": word,
        "startDate": date(created if started is None else started),
        "endDate": None if ended is None else date(ended),
        "createdDate": date(created),
        "triggerId": run["flow_ids"][SOURCE]["triggerId"],
        "triggerName": run["fullname"],
        "waitingTime": _seconds(created, until if started is None else started),
        "runningTime": 0 if started is None else _seconds(started, until),
        "executorNum": condition["numWorker"],
        "parsedParameters": run["payload"] or [],
        "type": "WORKFLOW",
    }


def task_condition(flow: Flow, path: str) -> dict[str, Any]:
    """Render the conditions under which a task was executed."""
    return job_condition(_timeout_s(flow, path))


def _timeout_s(flow: Flow, path: str | None) -> float | None:
    task = None if path is None else flow.plan.by_path.get(path)
    return flow.timeout_s if task is None or task.timeout_s is None else task.timeout_s


def started(run: RunDocument, flow: Flow) -> dict[str, Any]:
    """Render the answer to a start of a flow's job."""
    return {
        "jobId": flow.ids[SOURCE]["jobId"],
        "jobExecutionId": execution_id(run["run_number"]),
        "status": RUNS[run["status"]],
        "jobCondition": run_condition(flow.timeout_s),
        "createdDate": date(run["created_us"]),
    }


def job_condition(timeout_s: float | None) -> dict[str, Any]:
    """Render the conditions under which a job was executed."""
    return {**run_condition(timeout_s), "consoleLogPath": None}


def run_condition(timeout_s: float | None) -> dict[str, Any]:
    """Render the conditions under which a job runs; NAVER runs no scripts here."""
    return {
        "workerType": "DEFAULT",
        "numWorker": WORKERS,
        "timeout": _timeout_min(timeout_s),
        "nrn": None,
        "scriptPath": None,
        "logPath": None,
    }


def workflow(catalogue: TenantCatalogue, flow: Flow) -> dict[str, Any]:
    """Render a workflow with its nodes."""
    return {
        "workflowId": flow.ids[SOURCE]["workflowId"],
        "name": flow.fullname,
        "nodes": _nodes(catalogue, flow),
        **_dates(catalogue, flow),
        "isTemp": False,
    }


def workflow_row(
    catalogue: TenantCatalogue, flow: Flow, last: ListingDocument | None
) -> dict[str, Any]:
    """Render a workflow as a row of a list; ``last`` is its newest run."""
    return {
        **workflow(catalogue, flow),
        "lastExecutionDate": _start_date(last, last),
        "triggerRuleType": triggers.rule_type(flow),
        "resourceId": flow.ids[SOURCE]["workflowId"],
        "disabled": False,
    }


def _nodes(catalogue: TenantCatalogue, flow: Flow) -> list[dict[str, Any]]:
    valid = flow.fullname not in catalogue.retired
    trigger = {
        "id": flow.ids[SOURCE]["triggerId"],
        "name": flow.fullname,
        "type": "TRIGGER",
        "parentNodeIds": [],
        "triggerRule": triggers.rule_type(flow),
        "isValid": valid,
    }
    return [*(_node(job, valid=valid) for job in jobs_of(catalogue, flow)), trigger]


def _node(job: Job, *, valid: bool) -> dict[str, Any]:
    return {
        "id": job.job_id,
        "name": job.name,
        "type": "JOB",
        "parentNodeIds": job.parents,
        "jobCondition": run_condition(_timeout_s(job.flow, job.path)),
        "isValid": valid,
    }


def job(catalogue: TenantCatalogue, job: Job, last: ListingDocument | None) -> dict[str, Any]:
    """Render a job; its nodes and their data do not exist here."""
    return {
        "jobId": job.job_id,
        "name": job.name,
        "description": None,
        "nodes": [],
        "runCondition": run_condition(_timeout_s(job.flow, job.path)),
        **_job_status_fields(catalogue, job, last),
    }


def job_row(catalogue: TenantCatalogue, job: Job, last: ListingDocument | None) -> dict[str, Any]:
    """Render a job as a row of a list; ``last`` is the newest run that it was part of."""
    return {
        "jobId": job.job_id,
        "name": job.name,
        **_job_status_fields(catalogue, job, last),
        "resourceId": job.job_id,
        "disabled": False,
    }


def _job_status_fields(
    catalogue: TenantCatalogue, job: Job, last: ListingDocument | None
) -> dict[str, Any]:
    word, run = _last(job, last)
    return {
        "type": "DATAFLOW",
        "status": job_word(deleted=job.deleted, last=word),
        "lastExecutionStatus": word,
        "createdDate": date(job.created_us),
        "updatedDate": date(catalogue.touched_us[job.flow.fullname]),
        "lastExecutionDate": _start_date(run, last),
    }


def job_status(job: Job, last: ListingDocument | None) -> JobWord:
    """Return a job's status; ``last`` is the newest run of its flow."""
    return job_word(deleted=job.deleted, last=_last(job, last)[0])


def _last(
    job: Job, last: ListingDocument | None
) -> tuple[Word | None, RunDocument | TaskSummary | None]:
    """Find the job's part in the newest run of its flow, and the word for how that stands."""
    if last is None or job.path is None:
        return (None if last is None else RUNS[last["status"]]), last
    task = task_in(last, job.path)
    return (None if task is None else TASKS[task["status"]]), task


def trigger(catalogue: TenantCatalogue, flow: Flow) -> dict[str, Any]:
    """Render a flow's trigger; a flow without a schedule has one too."""
    return {
        "triggerId": flow.ids[SOURCE]["triggerId"],
        "name": flow.fullname,
        "type": triggers.kind(flow),
        "triggerRule": triggers.rule(flow),
        **_dates(catalogue, flow),
    }


def _dates(catalogue: TenantCatalogue, flow: Flow) -> dict[str, str]:
    return {
        "createdDate": date(catalogue.versions[flow.fullname][0].at_us),
        "updatedDate": date(catalogue.touched_us[flow.fullname]),
    }


def _start_date(part: RunDocument | TaskSummary | None, run: RunDocument | None) -> str | None:
    """Say when a run, or its part in question, began: when it was created while it has not."""
    if part is None or run is None:
        return None
    return date(run["created_us"] if part["started_us"] is None else part["started_us"])


def _timeout_min(timeout_s: float | None) -> int:
    if timeout_s is None:
        return DEFAULT_TIMEOUT_MIN
    return min(ceil(timeout_s / 60), MAX_TIMEOUT_MIN)


def _seconds(begin_us: int, end_us: int) -> int:
    return max(0, end_us - begin_us) // _SECOND_US
