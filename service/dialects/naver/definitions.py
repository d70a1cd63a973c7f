"""Handlers of NAVER's operations on workflows, jobs and triggers, which read the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from aiohttp import web

from projections.documents.flow import Flow
from service.dialects.naver import parsing, rendering, schemas
from service.dialects.naver.jobs import SOURCE, Job, job_of, jobs_of
from service.errors import UnknownFlow
from service.flows.catalogue import TenantCatalogue
from service.http.context import CONTEXT, query_api
from service.http.messages import json_response
from service.http.openapi.decorators import (
    docs,
    match_info_schema,
    querystring_schema,
    response_schema,
)
from service.runs.read.query_api import FlowSelector, LatestRuns

T = TypeVar("T")


@docs(
    summary="List workflows by name",
    description="Without retired ones. `count` is the number of all, not of the page.",
)
@querystring_schema(schemas.NaverPageQuery)
@response_schema(schemas.NaverWorkflows, 200, description="The page")
async def workflows(request: web.Request) -> web.StreamResponse:
    """List workflows by name."""
    paging = parsing.read_paging(request.query, "")

    def flows_of_page(catalogue: TenantCatalogue) -> list[Flow]:
        return _page(catalogue.current, paging)

    found = await _latest_runs(
        request, lambda catalogue: [flow.fullname for flow in flows_of_page(catalogue)]
    )
    rows = [
        rendering.workflow_row(found.catalogue, flow, found.runs.get(flow.fullname))
        for flow in flows_of_page(found.catalogue)
    ]
    return json_response(rendering.page(rows, len(found.catalogue.current), paging))


@docs(summary="Show a workflow with its nodes", description="Also a retired one.")
@match_info_schema(schemas.NaverWorkflowPath)
@response_schema(schemas.NaverWorkflow, 200, description="The workflow")
async def workflow(request: web.Request) -> web.StreamResponse:
    """Show a workflow with its nodes."""
    return await _flow(request, "workflowId", rendering.workflow)


@docs(
    summary="List jobs by the names of their workflows",
    description="Without those of retired workflows. `count` is the number of all that match.",
)
@querystring_schema(schemas.NaverJobsQuery)
@response_schema(schemas.NaverJobs, 200, description="The page")
async def jobs(request: web.Request) -> web.StreamResponse:
    """List jobs by the names of their workflows."""
    paging = parsing.read_paging(request.query, "name")
    status = parsing.read_job_status(request.query)

    def matching_jobs(catalogue: TenantCatalogue) -> list[Job]:
        all_jobs = (job for flow in catalogue.current for job in jobs_of(catalogue, flow))
        return [job for job in all_jobs if paging.matches(job.name)]

    def flow_names(catalogue: TenantCatalogue) -> list[str]:
        # A job's status depends on its newest run, so filtering by it needs the run of every job.
        found = matching_jobs(catalogue) if status else _page(matching_jobs(catalogue), paging)
        return list(dict.fromkeys(job.flow.fullname for job in found))

    catalogue, runs, _ = await _latest_runs(request, flow_names)
    matching = [
        job
        for job in matching_jobs(catalogue)
        if status in (None, rendering.job_status(job, runs.get(job.flow.fullname)))
    ]
    rows = [
        rendering.job_row(catalogue, job, runs.get(job.flow.fullname))
        for job in _page(matching, paging)
    ]
    return json_response(rendering.page(rows, len(matching), paging))


@docs(summary="Show a job", description="Also that of a retired workflow: it is `DELETED`.")
@match_info_schema(schemas.NaverJobPath)
@response_schema(schemas.NaverJob, 200, description="The job")
async def job(request: web.Request) -> web.StreamResponse:
    """Show a job."""
    job_id = request.match_info["jobId"]

    def flow_names(catalogue: TenantCatalogue) -> list[str]:
        found = job_of(catalogue, job_id)
        return [found.flow.fullname] if found else []

    catalogue, runs, _ = await _latest_runs(request, flow_names)
    found = job_of(catalogue, job_id)
    if found is None:
        raise UnknownFlow(job_id)
    return json_response(rendering.job(catalogue, found, runs.get(found.flow.fullname)))


@docs(
    summary="List triggers by the names of their workflows",
    description="Every workflow has one. Without those of retired workflows. `count` is the number"
    " of all that match.",
)
@querystring_schema(schemas.NaverTriggersQuery)
@response_schema(schemas.NaverTriggers, 200, description="The page")
async def triggers(request: web.Request) -> web.StreamResponse:
    """List triggers by the names of their workflows."""
    paging = parsing.read_paging(request.query, "name")
    catalogue, _, _ = await _latest_runs(request, _no_flows)
    matching = [flow for flow in catalogue.current if paging.matches(flow.fullname)]
    rows = [rendering.trigger(catalogue, flow) for flow in _page(matching, paging)]
    return json_response(rendering.page(rows, len(matching), paging))


@docs(summary="Show a trigger", description="Also that of a retired workflow.")
@match_info_schema(schemas.NaverTriggerPath)
@response_schema(schemas.NaverTrigger, 200, description="The trigger")
async def trigger(request: web.Request) -> web.StreamResponse:
    """Show a trigger."""
    return await _flow(request, "triggerId", rendering.trigger)


async def _flow(
    request: web.Request, kind: str, render: Callable[[TenantCatalogue, Flow], Mapping[str, Any]]
) -> web.Response:
    value = request.match_info[kind]
    catalogue, _, _ = await _latest_runs(request, _no_flows)
    flow = catalogue.by_id(SOURCE, kind, value)
    if flow is None:
        raise UnknownFlow(value)
    return json_response(render(catalogue, flow))


def _no_flows(_catalogue: TenantCatalogue) -> Sequence[str]:
    return ()


async def _latest_runs(request: web.Request, select: FlowSelector) -> LatestRuns:
    found = await query_api(request).latest_runs(request[CONTEXT].principal.tenant, select)
    request[CONTEXT].position = found.position
    return found


def _page(rows: Sequence[T], paging: parsing.Paging) -> list[T]:
    return list(rows[paging.offset : paging.offset + paging.limit])
