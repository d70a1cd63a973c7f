"""The jobs of a workflow: the whole flow, or each of its tasks if it is listed by task.

Source: api.ncloud-docs.com, analytics-dataflow-getjobs and -getworkflowbyid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from projections.documents.flow import Flow
from projections.documents.task import ListingDocument, TaskSummary
from service.dialects.naver.ids import task_jobs
from service.flows.catalogue import TenantCatalogue

SOURCE: Final = "naver"


@dataclass(frozen=True, slots=True)
class Job:
    """A job of a flow's newest version: the whole flow, or the task at ``path``.

    ``deleted``: the flow is retired, or no longer has the task.
    """

    flow: Flow
    job_id: str
    name: str
    path: str | None
    created_us: int
    deleted: bool

    @property
    def parents(self) -> list[str]:
        """The ids of the nodes that it waits for: jobs, or the trigger."""
        tasks = {} if self.path is None else self.flow.plan.by_path
        paths = tasks[self.path].previous if self.path in tasks else ()
        before = [job_id for job_id, path in jobs_by_task(self.flow).items() if path in paths]
        return before or [self.flow.ids[SOURCE]["triggerId"]]

    def rows_per_run(self, version: Flow) -> int:
        """Count the rows of a run of this version among the job's executions."""
        return int(version.listed_by_task and row_of(version, self.path) is not None)


def jobs_of(catalogue: TenantCatalogue, flow: Flow) -> list[Job]:
    """List a flow's jobs as its newest version has them, in the order of its plan."""
    if not flow.listed_by_task:
        return [_flow_job(catalogue, flow)]
    return [_task_job(catalogue, flow, job_id, path) for job_id, path in jobs_by_task(flow).items()]


def job_of(catalogue: TenantCatalogue, job_id: str) -> Job | None:
    """Find a job by its id, also a deleted one.

    The whole flow can still be found as a job if it is listed by task.
    """
    flow = catalogue.by_id(SOURCE, "jobId", job_id)
    if flow is not None:
        return _flow_job(catalogue, flow)
    for fullname, versions in catalogue.versions.items():
        for version in reversed(versions):
            path = jobs_by_task(version.flow).get(job_id) if version.flow.listed_by_task else None
            if path is not None:
                return _task_job(catalogue, catalogue.flows[fullname], job_id, path)
    return None


def jobs_by_task(flow: Flow) -> Mapping[str, str]:
    """Map ``jobId`` to path for a flow's tasks, without hooks."""
    return task_jobs(flow.tenant, flow.fullname, flow.plan.step_paths)


def row_of(version: Flow, path: str | None) -> int | None:
    """Return the row of a task in runs of a version, from 1; None if it lacks the task."""
    paths = version.plan.step_paths
    return paths.index(path) + 1 if path in paths else None


def rows_per_run(version: Flow) -> int:
    """Count the rows of a run of this version in its workflow's list."""
    return len(version.plan.step_paths) if version.listed_by_task else 1


def is_listed_by_task(catalogue: TenantCatalogue, flow: Flow) -> bool:
    """Tell whether any version of a flow is listed by task."""
    return any(version.flow.listed_by_task for version in catalogue.versions[flow.fullname])


def task_in(run: ListingDocument, path: str | None) -> TaskSummary | None:
    """Find a task among the rows of a run of `listings`."""
    return next((task for task in run.get("task_rows", ()) if task["path"] == path), None)


def _flow_job(catalogue: TenantCatalogue, flow: Flow) -> Job:
    created_us = catalogue.versions[flow.fullname][0].at_us
    deleted = flow.fullname in catalogue.retired
    return Job(flow, flow.ids[SOURCE]["jobId"], flow.fullname, None, created_us, deleted)


def _task_job(catalogue: TenantCatalogue, flow: Flow, job_id: str, path: str) -> Job:
    versions = [v for v in catalogue.versions[flow.fullname] if row_of(v.flow, path) is not None]
    removed = not flow.listed_by_task or row_of(flow, path) is None
    deleted = removed or flow.fullname in catalogue.retired
    return Job(flow, job_id, path, path, versions[0].at_us, deleted)
