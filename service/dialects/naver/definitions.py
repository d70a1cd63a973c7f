"""What NAVER's operations on workflows, jobs and triggers do: all of them read the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from aiohttp import web

from projections.documents.flow import Flow
from service.dialects.naver import parsing, rendering, schemas
from service.dialects.naver.jobs import SOURCE, Job, job_of, jobs_of
from service.errors import UnknownFlow
from service.http.as_of import reading
from service.http.context import CALL
from service.http.json import json_response
from service.http.openapi.decorators import (
    docs,
    match_info_schema,
    querystring_schema,
    response_schema,
)
from service.runs.read.query_api import Choose, Newest, Shelf

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

    def chosen(shelf: Shelf) -> list[Flow]:
        return _page(shelf.current, asked)

    found = await _newest(request, lambda shelf: [flow.fullname for flow in chosen(shelf)])
    rows = [
        rendering.workflow_row(found.shelf, flow, found.runs.get(flow.fullname))
        for flow in chosen(found.shelf)
    ]
    return _listed(rows, len(found.shelf.current), asked)


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

    def named(shelf: Shelf) -> list[Job]:
        all_jobs = (job for flow in shelf.current for job in jobs_of(shelf, flow))
        return [job for job in all_jobs if asked.keeps(job.name)]

    def needed(shelf: Shelf) -> list[str]:
        # How a job stands hangs on its newest run: to be counted by it, each has to be looked at.
        found = named(shelf) if status else _page(named(shelf), asked)
        return list(dict.fromkeys(job.flow.fullname for job in found))

    shelf, runs, _ = await _newest(request, needed)
    matching = [
        job
        for job in named(shelf)
        if status in (None, rendering.job_status(job, runs.get(job.flow.fullname)))
    ]
    rows = [
        rendering.job_row(shelf, job, runs.get(job.flow.fullname)) for job in _page(matching, asked)
    ]
    return _listed(rows, len(matching), asked)


@docs(summary="Show a job", description="That of a retired workflow too: it is `DELETED`.")
@match_info_schema(schemas.NaverJobPath)
@response_schema(schemas.NaverJob, 200, description="The job")
async def job(request: web.Request) -> web.StreamResponse:
    """Show a job."""
    job_id = request.match_info["jobId"]

    def needed(shelf: Shelf) -> list[str]:
        found = job_of(shelf, job_id)
        return [found.flow.fullname] if found else []

    shelf, runs, _ = await _newest(request, needed)
    found = job_of(shelf, job_id)
    if found is None:
        raise UnknownFlow(job_id)
    return json_response(rendering.job(shelf, found, runs.get(found.flow.fullname)))


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
    shelf, _, _ = await _newest(request, _none)
    matching = [flow for flow in shelf.current if asked.keeps(flow.fullname)]
    rows = [rendering.trigger(shelf, flow) for flow in _page(matching, asked)]
    return _listed(rows, len(matching), asked)


@docs(summary="Show a trigger", description="That of a retired workflow too.")
@match_info_schema(schemas.NaverTriggerPath)
@response_schema(schemas.NaverTrigger, 200, description="The trigger")
async def trigger(request: web.Request) -> web.StreamResponse:
    """Show a trigger."""
    return await _flow(request, "triggerId", rendering.trigger)


async def _flow(
    request: web.Request, kind: str, show: Callable[[Shelf, Flow], Mapping[str, Any]]
) -> web.Response:
    value = request.match_info[kind]
    shelf, _, _ = await _newest(request, _none)
    flow = shelf.by_id(SOURCE, kind, value)
    if flow is None:
        raise UnknownFlow(value)
    return json_response(show(shelf, flow))


def _none(_shelf: Shelf) -> Sequence[str]:
    return ()


async def _newest(request: web.Request, choose: Choose) -> Newest:
    found = await reading(request).newest(request[CALL].principal.tenant, choose)
    request[CALL].position = found.position
    return found


def _page(rows: Sequence[T], asked: parsing.Paging) -> list[T]:
    return list(rows[asked.offset : asked.offset + asked.limit])


def _listed(rows: Sequence[Mapping[str, Any]], count: int, asked: parsing.Paging) -> web.Response:
    return json_response({"list": rows, "count": count, "page": asked.page, "limit": asked.limit})
