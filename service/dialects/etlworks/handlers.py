"""Handlers of Etlworks' calls: parse, ask, render."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from projections.flow import Flow
from service.dialects.etlworks import auth, parsing, rendering, schemas
from service.dialects.etlworks.parsing import Selection
from service.errors import NotFound, UnknownRun
from service.http.decorators import (
    headers_schema,
    match_info_schema,
    querystring_schema,
    request_schema,
    response_schema,
)
from service.http.json import json_response
from service.http.keys import POSITION, PRINCIPAL, SERVICE
from service.http.origins import origin
from service.http.reading import reading
from service.http.starts import idempotency_key, replayed, start
from service.runs.commands import StartRun


@match_info_schema(schemas.EtlworksFlowPath)
@querystring_schema(schemas.EtlworksStatusQuery)
@response_schema(schemas.EtlworksExecution, 200, description="The execution")
async def status(request: web.Request) -> web.StreamResponse:
    """Show an execution of a flow: the one named, else the one started last, running or not."""
    tenant = auth.reader(request).tenant
    wanted = parsing.selection(request)
    flow = await _flow(request, tenant, wanted.flow_id)
    run = await _selected(request, flow, wanted)
    request[POSITION] = run["position"]
    return json_response(rendering.execution(run))


async def _selected(request: web.Request, flow: Flow, wanted: Selection) -> Mapping[str, Any]:
    try:
        run = await _found(request, flow, wanted)
    except UnknownRun as error:
        raise NotFound(f"There are no executions of {wanted}") from error
    if not wanted.matches(run, flow.fullname):
        raise NotFound(f"There are no executions of {wanted}")
    return run


async def _found(request: web.Request, flow: Flow, wanted: Selection) -> Mapping[str, Any]:
    reads = reading(request)
    if wanted.message_id is not None:
        return await reads.execution(flow.tenant, wanted.message_id)
    if wanted.audit_id is None:
        return await reads.latest_execution(flow.tenant, flow.number)
    return await reads.execution_by_number(flow.tenant, wanted.audit_id)


@match_info_schema(schemas.EtlworksFlowPath)
@headers_schema(schemas.EtlworksStartHeaders)
@request_schema(schemas.EtlworksParameters, required=False)
@response_schema(schemas.EtlworksStarted, 200, description="The execution was started")
@response_schema(schemas.EtlworksError, 409, description="The flow is exclusive and runs")
@response_schema(schemas.EtlworksError, 415, description="The body is not JSON")
@response_schema(schemas.EtlworksError, 422, description="The key was used otherwise")
async def run(request: web.Request) -> web.StreamResponse:
    """Start a flow with parameters; answered when the execution can be read."""
    service, tenant = request.app[SERVICE], request[PRINCIPAL].tenant
    flow = await _flow(request, tenant, parsing.flow_id(request))
    command = StartRun(
        tenant=tenant,
        origin=origin(request, "etlworks"),
        fullname=flow.fullname,
        payload=await parsing.parameters(request, service.settings.max_body),
        idempotency_key=idempotency_key(request),
    )
    outcome = await start(request, command)
    doc = await service.queries.execution(tenant, outcome.run_id)
    return json_response(rendering.started(doc), headers=replayed(outcome))


async def _flow(request: web.Request, tenant: str, flow_id: int) -> Flow:
    flow = await reading(request).flow(tenant, "etlworks", "flowId", flow_id)
    if flow is None:
        raise NotFound(f"There is no flow {flow_id}")
    return flow
