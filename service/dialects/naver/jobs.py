"""The jobs of a workflow: what NAVER executes, and what of a flow that is.

Source: api.ncloud-docs.com, analytics-dataflow-getjobs and -getworkflowbyid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from projections.flow import Flow
from service.runs.reads import Shelf

SOURCE: Final = "naver"


@dataclass(frozen=True, slots=True)
class Job:
    """A job: a flow as a whole. ``created_us`` is when it came to be."""

    flow: Flow
    job_id: str
    name: str
    created_us: int
    timeout_s: float | None


def jobs_of(shelf: Shelf, flow: Flow) -> list[Job]:
    """List a flow's jobs."""
    created_us = shelf.versions[flow.fullname][0].at_us
    return [Job(flow, flow.ids[SOURCE]["jobId"], flow.fullname, created_us, flow.timeout_s)]


def job_of(shelf: Shelf, job_id: str) -> Job | None:
    """Find a job by its id, also of a flow that is retired."""
    flow = shelf.by_id(SOURCE, "jobId", job_id)
    return None if flow is None else jobs_of(shelf, flow)[0]
