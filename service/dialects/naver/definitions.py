"""What NAVER's operations on workflows, jobs and triggers do: all of them read the catalogue."""

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
    description="Retired ones are left out. `count` is of all, not of the page.",
)
@querystring_schema(schemas.NaverPageQuery)
@response_schema(schemas.NaverWorkflows, 200, description="The page")
async def workflows(request: web.Request) -> web.StreamResponse:
    """List workflows by name."""
    asked = parsing.paging(request.query, "")

    def chosen(catalogue: TenantCatalogue) -> list[Flow]:
        return _page(catalogue.current, asked)

    found = await _latest_runs(
        request, lambda catalogue: [flow.fullname for flow in chosen(catalogue)]
    )
    rows = [
        rendering.workflow_row(found.catalogue, flow, found.runs.get(flow.fullname))
        for flow in chosen(found.catalogue)
    ]
    return _listed(rows, len(found.catalogue.current), asked)


@docs(summary="Show a workflow with its nodes", description="A retired one too.")
@match_info_schema(schemas.NaverWorkflowPath)
@response_schema(schemas.NaverWorkflow, 200, description="The workflow")
async def workflow(request: web.Request) -> web.StreamResponse:
    """Show a workflow with its nodes."""
    return await _flow(request, "workflowId", rendering.workflow)


@docs(
    summary="List jobs by the names of their workflows",
    description="Those of retired workflows are left out. `count` is of all that match.",
)
@querystring_schema(schemas.NaverJobsQuery)
@response_schema(schemas.NaverJobs, 200, description="The page")
async def jobs(request: web.Request) -> web.StreamResponse:
    """List jobs by the names of their workflows."""
    asked = parsing.paging(request.query, "name")
    status = parsing.job_status(request.query)

    def named(catalogue: TenantCatalogue) -> list[Job]:
        all_jobs = (job for flow in catalogue.current for job in jobs_of(catalogue, flow))
        return [job for job in all_jobs if asked.keeps(job.name)]

    def needed(catalogue: TenantCatalogue) -> list[str]:
        # How a job stands hangs on its newest run: to be counted by it, each has to be looked at.
        found = named(catalogue) if status else _page(named(catalogue), asked)
        return list(dict.fromkeys(job.flow.fullname for job in found))

    catalogue, runs, _ = await _latest_runs(request, needed)
    matching = [
        job
        for job in named(catalogue)
        if status in (None, rendering.job_status(job, runs.get(job.flow.fullname)))
    ]
    rows = [
        rendering.job_row(catalogue, job, runs.get(job.flow.fullname))
        for job in _page(matching, asked)
    ]
    return _listed(rows, len(matching), asked)


@docs(summary="Show a job", description="That of a retired workflow too: it is `DELETED`.")
@match_info_schema(schemas.NaverJobPath)
@response_schema(schemas.NaverJob, 200, description="The job")
async def job(request: web.Request) -> web.StreamResponse:
    """Show a job."""
    job_id = request.match_info["jobId"]

    def needed(catalogue: TenantCatalogue) -> list[str]:
        found = job_of(catalogue, job_id)
        return [found.flow.fullname] if found else []

    catalogue, runs, _ = await _latest_runs(request, needed)
    found = job_of(catalogue, job_id)
    if found is None:
        raise UnknownFlow(job_id)
    return json_response(rendering.job(catalogue, found, runs.get(found.flow.fullname)))


@docs(
    summary="List triggers by the names of their workflows",
    description="Every workflow has one; those of retired workflows are left out. `count` is of all"
    " that match.",
)
@querystring_schema(schemas.NaverTriggersQuery)
@response_schema(schemas.NaverTriggers, 200, description="The page")
async def triggers(request: web.Request) -> web.StreamResponse:
    """List triggers by the names of their workflows."""
    asked = parsing.paging(request.query, "name")
    catalogue, _, _ = await _latest_runs(request, _none)
    matching = [flow for flow in catalogue.current if asked.keeps(flow.fullname)]
    rows = [rendering.trigger(catalogue, flow) for flow in _page(matching, asked)]
    return _listed(rows, len(matching), asked)


@docs(summary="Show a trigger", description="That of a retired workflow too.")
@match_info_schema(schemas.NaverTriggerPath)
@response_schema(schemas.NaverTrigger, 200, description="The trigger")
async def trigger(request: web.Request) -> web.StreamResponse:
    """Show a trigger."""
    return await _flow(request, "triggerId", rendering.trigger)


async def _flow(
    request: web.Request, kind: str, show: Callable[[TenantCatalogue, Flow], Mapping[str, Any]]
) -> web.Response:
    value = request.match_info[kind]
    catalogue, _, _ = await _latest_runs(request, _none)
    flow = catalogue.by_id(SOURCE, kind, value)
    if flow is None:
        raise UnknownFlow(value)
    return json_response(show(catalogue, flow))


def _none(_catalogue: TenantCatalogue) -> Sequence[str]:
    return ()


async def _latest_runs(request: web.Request, select: FlowSelector) -> LatestRuns:
    found = await query_api(request).latest_runs(request[CONTEXT].principal.tenant, select)
    request[CONTEXT].position = found.position
    return found


def _page(rows: Sequence[T], asked: parsing.Paging) -> list[T]:
    return list(rows[asked.offset : asked.offset + asked.limit])


def _listed(rows: Sequence[Mapping[str, Any]], count: int, asked: parsing.Paging) -> web.Response:
    return json_response({"list": rows, "count": count, "page": asked.page, "limit": asked.limit})
