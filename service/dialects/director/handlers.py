"""Handlers of Director's operations: parse the request, query or submit, render the answer."""

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
MAX_ROWS: Final = 2**31 - 1
"""No ledger holds more runs, so a page beyond is empty."""


@docs(summary="Check that the service is there")
@shows(schemas.DirectorPong)
async def ping(_request: web.Request) -> web.StreamResponse:
    """Answer a ping; open to all."""
    return answer({"message": "pong"})


@docs(
    summary="List workflows, newest first",
    description="A page beyond the last one is a 404, except the first page of an empty list."
    " A parameter that is not an integer counts as absent.",
)
@querystring_schema(schemas.DirectorListQuery)
@shows(schemas.DirectorWorkflow(many=True), description="The page, a bare array")
@shows(schemas.DirectorError, 404, description="There is no such page")
async def list_workflows(request: web.Request) -> web.StreamResponse:
    """List workflows, newest first."""
    paging = parsing.read_paging(request.query)
    rows = await _rows(request, paging)
    if not rows and paging.page != 1:
        raise NotFound
    render = rendering.workflow if paging.with_payload else rendering.workflow_without_payload
    return answer([render(row) for row in rows])


async def _rows(request: web.Request, paging: parsing.Paging) -> list[ListingDocument]:
    if paging.offset > MAX_ROWS:
        return []
    page = await query_api(request).page(
        request[CONTEXT].principal.tenant, None, paging.offset, min(paging.per_page, MAX_ROWS)
    )
    request[CONTEXT].position = page.position
    return list(page.rows)


@docs(summary="Start a workflow")
@headers_schema(schemas.DirectorStartHeaders)
@request_schema(schemas.DirectorStart)
@shows(schemas.DirectorWorkflow, 201, description="The workflow, which can be read from now on")
@shows(schemas.DirectorInvalid, 400, description="Not JSON, not a start, or not a valid payload")
@shows(schemas.DirectorError, 404, description="There is no such definition")
@shows(schemas.DirectorError, 409, description="The flow is exclusive and already running")
@shows(schemas.DirectorError, 415, description="The body is not declared as JSON")
@shows(
    schemas.DirectorError, 422, description="This Idempotency-Key belongs to a different request"
)
async def start_workflow(request: web.Request) -> web.StreamResponse:
    """Start a workflow."""
    body = await parsing.read_start(request)
    if body.unstorable:
        await _refuse_start(request, body, body.unstorable)
    command = StartRun(
        tenant=request[CONTEXT].principal.tenant,
        origin=origin(request, SOURCE),
        fullname=body.fullname,
        payload=body.payload,
        comment=body.comment,
        project=body.own_project,
        idempotency_key=read_idempotency_key(request),
    )
    return await _start(request, command)


async def _refuse_start(request: web.Request, body: parsing.Start, reason: str) -> NoReturn:
    """Refuse a start that the ledger cannot store, after everything that Director checks first."""
    catalogue, tenant = request.app[SERVICE].catalogue, request[CONTEXT].principal.tenant
    flow = catalogue.find(tenant, body.fullname)
    if flow is None:
        await catalogue.refresh_soon(tenant)
        flow = catalogue.find(tenant, body.fullname)
    if flow is None:
        raise UnknownFlow(body.fullname)
    payloads.check(flow, body.payload)
    raise BadRequest(reason)


@docs(summary="Show a workflow with its tasks")
@shows(schemas.DirectorWorkflowInFull, description="The workflow")
async def show_workflow(request: web.Request) -> web.StreamResponse:
    """Show a workflow with its tasks."""
    run_id = ids.run_id(request.match_info["id"])
    run = await query_api(request).workflow(request[CONTEXT].principal.tenant, run_id)
    request[CONTEXT].position = run["position"]
    return cached_response(rendering.workflow_with_tasks, run, encode=rendering.encode)


@docs(
    summary="Start a workflow again",
    description="Makes a new workflow with the same definition, payload and comment, whatever the"
    " status of the first. A body is ignored.",
)
@headers_schema(schemas.DirectorStartHeaders)
@shows(schemas.DirectorWorkflow, 201, description="The new workflow")
@shows(schemas.DirectorInvalid, 400, description="The payload does not fit the present schema")
@shows(schemas.DirectorError, 409, description="The flow is exclusive and already running")
@shows(
    schemas.DirectorError, 422, description="This Idempotency-Key belongs to a different request"
)
async def relaunch(request: web.Request) -> web.StreamResponse:
    """Start a workflow again as a new one."""
    command = RetryRun(
        tenant=request[CONTEXT].principal.tenant,
        origin=origin(request, SOURCE),
        run_id=ids.run_id(request.match_info["id"]),
        idempotency_key=read_idempotency_key(request),
    )
    return await _start(request, command)


async def _start(request: web.Request, command: StartRun | RetryRun) -> web.Response:
    outcome = await submit(request, command)
    return await _created(request, outcome, replay_header(outcome))


@docs(
    summary="Cancel a workflow",
    description="Running tasks are stopped, and the workflow is canceled at once. A workflow that"
    " has ended stays as it is. A body is ignored.",
)
@shows(schemas.DirectorWorkflow, 201, description="The workflow as it stands now")
async def cancel(request: web.Request) -> web.StreamResponse:
    """Cancel a workflow at once; one that has ended stays as it is."""
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
    return await _created(request, outcome)


async def _created(
    request: web.Request, outcome: Outcome, headers: Mapping[str, str] | None = None
) -> web.Response:
    run = await request.app[SERVICE].queries.execution_after(
        request[CONTEXT].principal.tenant, outcome
    )
    return answer(rendering.workflow(run), 201, headers)


@docs(summary="List the definitions, by name")
@shows(schemas.DirectorDefinition(many=True), description="Each definition as its file has it")
async def definitions(request: web.Request) -> web.StreamResponse:
    """List the tenant's definitions by name, without retired ones."""
    flows = await query_api(request).flows(request[CONTEXT].principal.tenant)
    request[CONTEXT].position = flows.position
    current = (flow for flow in flows.rows if not flow["retired"])
    by_name = sorted(current, key=lambda flow: flow["fullname"])
    return answer([rendering.definition(flow) for flow in by_name])


def options(*methods: str) -> Handler:
    """Make the handler that lists the methods of a path; open to all, with an empty body."""
    allow = ", ".join((*methods, "OPTIONS"))

    async def allowed(_request: web.Request) -> web.StreamResponse:
        return web.Response(content_type="text/html", charset="utf-8", headers={"Allow": allow})

    describe = docs(
        summary="List the methods", responses={"200": {"description": "`Allow` has them"}}
    )
    described: Handler = describe(allowed)
    return described
