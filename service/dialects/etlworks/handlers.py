"""Handlers of Etlworks' calls: parse, ask, render."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from projections.flow import Flow
from service.dialects.etlworks import auth, ids, rendering, schemas
from service.errors import BadRequest, NotFound, UnknownRun, UnsupportedMediaType
from service.http.decorators import (
    headers_schema,
    match_info_schema,
    querystring_schema,
    request_schema,
    response_schema,
)
from service.http.json import json_response, read_json
from service.http.keys import POSITION, PRINCIPAL, SERVICE
from service.http.origins import origin
from service.http.starts import idempotency_key, replayed, start
from service.runs.commands import StartRun


@dataclass(frozen=True, slots=True)
class Selection:
    """Which execution of a flow is meant: all that is given must match; nothing: the latest."""

    flow_id: int
    audit_id: int | None
    message_id: str | None

    def matches(self, run: Mapping[str, Any], flow: Flow) -> bool:
        """Tell whether a run is the one meant."""
        return (
            run["fullname"] == flow.fullname
            and self.audit_id in (None, run["run_number"])
            and self.message_id in (None, run["run_id"])
        )


@match_info_schema(schemas.EtlworksFlowPath)
@querystring_schema(schemas.EtlworksStatusQuery)
@response_schema(schemas.EtlworksExecution, 200, description="The execution")
async def status(request: web.Request) -> web.StreamResponse:
    """Show an execution of a flow: the one named, else the one started last, running or not."""
    tenant = auth.reader(request).tenant
    selection = _selection(request)
    flow = _flow(request, tenant, selection.flow_id)
    run = await _selected(request, flow, selection)
    request[POSITION] = run["position"]
    return json_response(rendering.execution(run))


def _selection(request: web.Request) -> Selection:
    audit_id, message_id = request.query.get("auditId"), request.query.get("messageId")
    return Selection(
        flow_id=ids.parse_long(request.match_info["flowId"], "flowId"),
        audit_id=ids.parse_long(audit_id, "auditId") if audit_id else None,
        message_id=ids.parse_uuid(message_id, "messageId") if message_id else None,
    )


def _flow(request: web.Request, tenant: str, flow_id: int) -> Flow:
    flow = request.app[SERVICE].catalogue.by_id(tenant, "etlworks", "flowId", flow_id)
    if flow is None:
        raise NotFound(f"There is no flow {flow_id}")
    return flow


async def _selected(request: web.Request, flow: Flow, selection: Selection) -> Mapping[str, Any]:
    queries = request.app[SERVICE].queries
    try:
        if selection.message_id is not None:
            run = await queries.execution(flow.tenant, selection.message_id)
        elif selection.audit_id is not None:
            run = await queries.execution_by_number(flow.tenant, selection.audit_id)
        else:
            run = await queries.latest_execution(flow.tenant, flow.fullname)
    except UnknownRun as error:
        raise _no_execution(selection) from error
    if not selection.matches(run, flow):
        raise _no_execution(selection)
    return run


def _no_execution(selection: Selection) -> NotFound:
    given = (("auditId", selection.audit_id), ("messageId", selection.message_id))
    wanted = " and ".join(f"{name} {value}" for name, value in given if value is not None)
    which = f" with {wanted}" if wanted else ""
    return NotFound(f"There are no executions of flow {selection.flow_id}{which}")


@match_info_schema(schemas.EtlworksFlowPath)
@headers_schema(schemas.EtlworksStartHeaders)
@request_schema(schemas.EtlworksParameters, required=False)
@response_schema(schemas.EtlworksStarted, 200, description="The execution was started")
@response_schema(schemas.EtlworksError, 409, description="The flow is exclusive and runs")
@response_schema(schemas.EtlworksError, 415, description="The body is not JSON")
@response_schema(schemas.EtlworksError, 422, description="The key was used otherwise")
async def run(request: web.Request) -> web.StreamResponse:
    """Start a flow with parameters; answered when the execution can be read."""
    tenant = request[PRINCIPAL].tenant
    flow = _flow(request, tenant, ids.parse_long(request.match_info["flowId"], "flowId"))
    command = StartRun(
        tenant=tenant,
        origin=origin(request, "etlworks"),
        fullname=flow.fullname,
        payload=await _parameters(request),
        idempotency_key=idempotency_key(request),
    )
    outcome = await start(request, command)
    doc = await request.app[SERVICE].queries.execution(tenant, outcome.run_id)
    return json_response(rendering.started(doc), headers=replayed(outcome))


async def _parameters(request: web.Request) -> dict[str, Any]:
    if not request.body_exists:
        return {}
    if "Content-Type" in request.headers and request.content_type != "application/json":
        raise UnsupportedMediaType("Content-Type must be application/json")
    body = await read_json(request, request.app[SERVICE].settings.max_body)
    if not isinstance(body, dict):
        raise BadRequest("The body must be a flat map of parameters")
    for name, value in body.items():
        if isinstance(value, (dict, list)):
            raise BadRequest(f"Parameter {name} must not be nested", field=name)
    return body
