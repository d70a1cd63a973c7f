"""Handlers of InVision's operations: parse, query or submit, render."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from projections.documents.flow import Flow
from service.dialects.invision import parsing, rendering, schemas
from service.dialects.invision.ids import canonical
from service.dialects.invision.waiting import answer_at_end
from service.errors import NotFound, UnknownRun
from service.http.context import CONTEXT, origin, query_api, submit
from service.http.messages import json_response, read_idempotency_key, replay_header
from service.http.openapi.decorators import (
    headers_schema,
    querystring_schema,
    request_schema,
    response_schema,
)
from service.runs.domain.commands import Outcome, StartRun
from service.runtime import SERVICE


@querystring_schema(schemas.InvisionStartQuery)
@headers_schema(schemas.InvisionStartHeaders)
@request_schema(schemas.InvisionArguments, required=False)
@response_schema(schemas.InvisionRun, 200, description="The run, as it stands or as it ended")
@response_schema(
    schemas.InvisionError, 409, description="The flow is exclusive and already running"
)
@response_schema(schemas.InvisionError, 415, description="The body is not JSON")
@response_schema(
    schemas.InvisionError, 422, description="This Idempotency-Key belongs to a different request"
)
async def start(request: web.Request) -> web.StreamResponse:
    """Start a data flow; with ``await=true`` answered when the run has ended."""
    service = request.app[SERVICE]
    flow = await _flow(request)
    command = StartRun(
        tenant=flow.tenant,
        origin=origin(request, "invision"),
        fullname=flow.fullname,
        payload=await parsing.read_arguments(request, service.settings.max_body),
        idempotency_key=read_idempotency_key(request),
    )
    outcome = await submit(request, command)
    if parsing.wants_to_wait(request):
        return await _answer_at_end(request, flow.tenant, outcome)
    run = await service.queries.execution_after(flow.tenant, outcome)
    return json_response(rendering.status(run), headers=replay_header(outcome))


async def _answer_at_end(request: web.Request, tenant: str, outcome: Outcome) -> web.StreamResponse:
    async def status() -> Mapping[str, Any]:
        return rendering.status(
            await request.app[SERVICE].queries.wait_until_ended(tenant, outcome.run_id)
        )

    request[CONTEXT].waits_for_run = True
    return await answer_at_end(request, status(), headers=replay_header(outcome))


@response_schema(schemas.InvisionRun, 200, description="The run and its status")
async def status(request: web.Request) -> web.StreamResponse:
    """Show the status of a run of a data flow."""
    run_id = parsing.read_run_id(request)
    flow = await _flow(request)
    try:
        run = await query_api(request).execution(flow.tenant, run_id)
    except UnknownRun as error:
        raise parsing.unknown_run(request) from error
    if run["fullname"] != flow.fullname:
        raise parsing.unknown_run(request)
    request[CONTEXT].position = run["position"]
    return json_response(rendering.status(run))


async def _flow(request: web.Request) -> Flow:
    tenant, dataflow_id = request[CONTEXT].principal.tenant, request.match_info["id"]
    canonical_id = canonical(dataflow_id)
    flow = await query_api(request).flow(tenant, "invision", "dataflowId", canonical_id)
    if flow is None:
        raise NotFound(f"There is no data flow {dataflow_id}")
    return flow
