"""What Director's operations do: read what is asked, ask writer or queries, write the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NoReturn

from aiohttp import web

from projections.documents.task import ListingDocument
from service.dialect import Handler
from service.dialects.director import ids, parsing, rendering, schemas
from service.dialects.director.rendering import answer
from service.errors import BadRequest, NotFound, UnknownFlow
from service.flows import payloads
from service.http.context import CONTEXT, origin, query_api, submit, wait_until_visible
from service.http.messages import cached_response, read_idempotency_key, replay_header
from service.http.openapi.decorators import docs, headers_schema, querystring_schema, request_schema
from service.http.openapi.decorators import response_schema as shows
from service.runs.domain.commands import CancelRun, Outcome, RetryRun, StartRun
from service.runs.domain.errors import RunEnded
from service.runtime import SERVICE

SOURCE: Final = "director"
MOST_ROWS: Final = 2**31 - 1
"""No ledger holds more runs: a page that begins beyond has nothing to show."""


@docs(summary="Say that the service is there")
@shows(schemas.DirectorPong)
async def ping(_request: web.Request) -> web.StreamResponse:
    """Say that the service is there; open to all."""
    return answer({"message": "pong"})


@docs(
    summary="List workflows, newest first",
    description="A page beyond the last one is a 404, except the first page of an empty list."
    " A parameter that is no integer counts as absent.",
)
@querystring_schema(schemas.DirectorListQuery)
@shows(schemas.DirectorWorkflow(many=True), description="The page, a bare array")
@shows(schemas.DirectorError, 404, description="There is no such page")
async def listed(request: web.Request) -> web.StreamResponse:
    """List workflows, newest first."""
    asked = parsing.paging(request.query)
    rows = await _rows(request, asked)
    if not rows and asked.page != 1:
        raise NotFound
    show = rendering.workflow if asked.with_payload else rendering.workflow_without_payload
    return answer([show(row) for row in rows])


async def _rows(request: web.Request, asked: parsing.Paging) -> list[ListingDocument]:
    if asked.offset > MOST_ROWS:
        return []
    page = await query_api(request).page(
        request[CONTEXT].principal.tenant, None, asked.offset, min(asked.per_page, MOST_ROWS)
    )
    request[CONTEXT].position = page.position
    return list(page.rows)


@docs(summary="Start a workflow")
@headers_schema(schemas.DirectorStartHeaders)
@request_schema(schemas.DirectorStart)
@shows(schemas.DirectorWorkflow, 201, description="The workflow, readable from now on")
@shows(schemas.DirectorInvalid, 400, description="Not JSON, not a start, or not a valid payload")
@shows(schemas.DirectorError, 404, description="There is no such definition")
@shows(schemas.DirectorError, 409, description="The flow is exclusive and runs already")
@shows(schemas.DirectorError, 415, description="The body is not declared as JSON")
@shows(schemas.DirectorError, 422, description="The idempotency key was used for another request")
async def launch(request: web.Request) -> web.StreamResponse:
    """Start a workflow."""
    asked = await parsing.start(request)
    if asked.unkept:
        await _refuse(request, asked, asked.unkept)
    command = StartRun(
        tenant=request[CONTEXT].principal.tenant,
        origin=origin(request, SOURCE),
        fullname=asked.fullname,
        payload=asked.payload,
        comment=asked.comment,
        project=asked.own_project,
        idempotency_key=read_idempotency_key(request),
    )
    return await _begin(request, command)


async def _refuse(request: web.Request, asked: parsing.Start, unkept: str) -> NoReturn:
    """Refuse what cannot be kept, after all that Director finds wrong before it would keep it."""
    catalogue, tenant = request.app[SERVICE].catalogue, request[CONTEXT].principal.tenant
    flow = catalogue.find(tenant, asked.fullname)
    if flow is None:
        await catalogue.refresh_soon(tenant)
        flow = catalogue.find(tenant, asked.fullname)
    if flow is None:
        raise UnknownFlow(asked.fullname)
    payloads.check(flow, asked.payload)
    raise BadRequest(unkept)


@docs(summary="Show a workflow with its tasks")
@shows(schemas.DirectorWorkflowInFull, description="The workflow")
async def shown(request: web.Request) -> web.StreamResponse:
    """Show a workflow with its tasks."""
    run_id = ids.run_id(request.match_info["id"])
    run = await query_api(request).workflow(request[CONTEXT].principal.tenant, run_id)
    request[CONTEXT].position = run["position"]
    return cached_response(rendering.workflow_with_tasks, run, encode=rendering.encode)


@docs(
    summary="Start a workflow again",
    description="A new workflow with the same definition, payload and comment, whatever became of"
    " the first. A body is ignored.",
)
@headers_schema(schemas.DirectorStartHeaders)
@shows(schemas.DirectorWorkflow, 201, description="The new workflow")
@shows(schemas.DirectorInvalid, 400, description="The payload does not fit the schema of today")
@shows(schemas.DirectorError, 409, description="The flow is exclusive and runs already")
@shows(schemas.DirectorError, 422, description="The idempotency key was used for another request")
async def relaunch(request: web.Request) -> web.StreamResponse:
    """Start a workflow again as a new one."""
    command = RetryRun(
        tenant=request[CONTEXT].principal.tenant,
        origin=origin(request, SOURCE),
        run_id=ids.run_id(request.match_info["id"]),
        idempotency_key=read_idempotency_key(request),
    )
    return await _begin(request, command)


async def _begin(request: web.Request, command: StartRun | RetryRun) -> web.Response:
    outcome = await submit(request, command)
    return await _current(request, outcome, replay_header(outcome))


@docs(
    summary="Cancel a workflow",
    description="What runs is stopped, and counts as canceled at once. A workflow that has ended"
    " stays as it is. A body is ignored.",
)
@shows(schemas.DirectorWorkflow, 201, description="The workflow as it stands now")
async def cancel(request: web.Request) -> web.StreamResponse:
    """Cancel a workflow at once, whatever runs; one that has ended stays as it is."""
    command = CancelRun(
        tenant=request[CONTEXT].principal.tenant,
        origin=origin(request, SOURCE),
        run_id=ids.run_id(request.match_info["id"]),
        force=True,
    )
    try:
        outcome = await submit(request, command)
    except RunEnded as ended:
        if ended.outcome is None:
            raise
        outcome = ended.outcome
        await wait_until_visible(request, outcome)
    return await _current(request, outcome)


async def _current(
    request: web.Request, outcome: Outcome, headers: Mapping[str, str] | None = None
) -> web.Response:
    run = await request.app[SERVICE].queries.execution_after(
        request[CONTEXT].principal.tenant, outcome
    )
    return answer(rendering.workflow(run), 201, headers)


@docs(summary="List the definitions, by name")
@shows(schemas.DirectorDefinition(many=True), description="Each definition as it is written")
async def definitions(request: web.Request) -> web.StreamResponse:
    """List the definitions of the tenant, by name; retired ones are left out."""
    flows = await query_api(request).flows(request[CONTEXT].principal.tenant)
    request[CONTEXT].position = flows.position
    current = (flow for flow in flows.rows if not flow["retired"])
    by_name = sorted(current, key=lambda flow: flow["fullname"])
    return answer([rendering.definition(flow) for flow in by_name])


def options(*methods: str) -> Handler:
    """Make the handler that lists what a path allows; open to all, with an empty body."""
    allow = ", ".join((*methods, "OPTIONS"))

    async def allowed(_request: web.Request) -> web.StreamResponse:
        return web.Response(content_type="text/html", charset="utf-8", headers={"Allow": allow})

    said = docs(summary="List the methods", responses={"200": {"description": "`Allow` has them"}})
    described: Handler = said(allowed)
    return described
