"""Handlers of Etlworks' operations: parse, query or submit, render."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from aiohttp import web

from events.bodies import Trigger
from projections.documents.flow import Flow
from projections.documents.lifecycle import RunStatus
from projections.documents.run import ExecutionDocument
from projections.documents.task import ListingDocument
from service.dialect import Handler
from service.dialects.etlworks import auth, parsing, rendering, schemas
from service.dialects.etlworks.parsing import Selection
from service.dialects.etlworks.statuses import SIX_WORDS, WORDS, Words, states_of, words_for
from service.errors import BadRequest, NotFound, Unavailable, UnknownRun
from service.http.context import CONTEXT, origin, query_api, submit
from service.http.messages import (
    cached_response,
    json_response,
    read_idempotency_key,
    replay_header,
)
from service.http.openapi.decorators import (
    docs,
    headers_schema,
    match_info_schema,
    querystring_schema,
    request_schema,
    response_schema,
)
from service.runs.domain.commands import StartRun
from service.runs.read.query_api import RunFilter
from service.runtime import SERVICE

# Responses are cached by their renderer, so each vocabulary has its own.
_execution_in_six_words: Final = partial(rendering.execution, words=SIX_WORDS)

MAX_LOOKUPS: Final = 5
"""How often to look for a run with a status, as runs may change between two queries."""


@match_info_schema(schemas.EtlworksFlowPath)
@querystring_schema(schemas.EtlworksStatusQuery)
@response_schema(schemas.EtlworksExecution, 200, description="The execution")
async def status(request: web.Request) -> web.StreamResponse:
    """Show the named execution of a flow, else the one started last, running or not."""
    tenant = auth.require_reader(request).tenant
    words = words_for(tenant, request.app[SERVICE].settings.etlworks_six_words)
    selection = parsing.read_selection(request)
    flow = await _flow(request, tenant, selection.flow_id)
    run = await _find_selected(request, flow, selection, words)
    request[CONTEXT].position = run["position"]
    return cached_response(
        _execution_in_six_words if words is SIX_WORDS else rendering.execution, run
    )


async def _find_selected(
    request: web.Request, flow: Flow, selection: Selection, words: Words
) -> ExecutionDocument:
    try:
        run = await _look_up(request, flow, selection, words)
    except UnknownRun as error:
        raise NotFound(f"There are no executions of {selection}") from error
    if not selection.matches(run, flow.fullname, words[run["status"]]):
        raise NotFound(f"There are no executions of {selection}")
    return run


async def _look_up(
    request: web.Request, flow: Flow, selection: Selection, words: Words
) -> ExecutionDocument:
    queries = query_api(request)
    if selection.audit_id is not None:
        return await queries.execution_by_number(flow.tenant, selection.audit_id)
    if selection.message_id is not None:
        return await queries.execution(flow.tenant, selection.message_id)
    if selection.status is not None:
        return await _latest_in_states(request, flow, states_of(selection.status, words))
    return await queries.latest_execution(flow.tenant, flow.number)


async def _latest_in_states(
    request: web.Request, flow: Flow, states: tuple[RunStatus, ...]
) -> ExecutionDocument:
    """Find the newest run of a flow that is in one of the states."""
    queries = query_api(request)
    for _ in range(MAX_LOOKUPS):
        candidates: list[ListingDocument] = []
        for state in states:
            run_filter = RunFilter(fullname=flow.fullname, status=state)
            candidates += (await queries.scan(flow.tenant, run_filter, before=None, limit=1)).rows
        if not candidates:
            raise UnknownRun(flow.fullname)
        newest = max(candidates, key=lambda row: row["queued_position"])
        run = await queries.execution(flow.tenant, newest["run_id"])
        if run["status"] in states:
            return run
    raise Unavailable("the runs of this flow change too quickly; try again")


@querystring_schema(schemas.EtlworksDownloadQuery)
@docs(
    responses={
        "200": {
            "description": "The log, as an attachment",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    }
)
@response_schema(schemas.EtlworksError, 404, description="There is no such execution")
async def download(request: web.Request) -> web.StreamResponse:
    """Download the log of an execution: the stored output of its tasks."""
    tenant = auth.require_reader(request).tenant
    selection = parsing.read_download(request)
    flow = await _flow(request, tenant, selection.flow_id)
    found = await _find_selected(request, flow, selection, WORDS)
    run = await query_api(request).workflow(tenant, found["run_id"])
    request[CONTEXT].position = run["position"]
    name = f"flow-{selection.flow_id}-{selection.audit_id}.log"
    return web.Response(
        text=rendering.log(run),
        content_type="text/plain",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


def _document_start(handler: Handler) -> Handler:
    """Add the OpenAPI description of a start with parameters."""
    for documented in (
        response_schema(
            schemas.EtlworksError,
            422,
            description="This Idempotency-Key belongs to a different request",
        ),
        response_schema(schemas.EtlworksError, 415, description="The body is not JSON"),
        response_schema(
            schemas.EtlworksError,
            409,
            description="The flow is exclusive and already running",
        ),
        response_schema(schemas.EtlworksStarted, 200, description="The execution was started"),
        request_schema(schemas.EtlworksParameters, required=False),
        headers_schema(schemas.EtlworksStartHeaders),
    ):
        handler = documented(handler)
    return handler


@match_info_schema(schemas.EtlworksFlowPath)
@_document_start
async def run(request: web.Request) -> web.StreamResponse:
    """Start a flow with parameters; answered when the execution can be read."""
    flow = await _flow(request, request[CONTEXT].principal.tenant, parsing.flow_id(request))
    return await _run(request, flow)


@match_info_schema(schemas.EtlworksFlowNamePath)
@_document_start
async def run_by_name(request: web.Request) -> web.StreamResponse:
    """Start a flow by name, with or without parameters."""
    flow = await _flow_by_name(request, request[CONTEXT].principal.tenant)
    return await _run(request, flow)


@match_info_schema(schemas.EtlworksListenerPath)
@headers_schema(schemas.EtlworksStartHeaders)
@request_schema(schemas.EtlworksMessage, required=False)
@response_schema(schemas.EtlworksStarted, 200, description="The message started an execution")
@response_schema(
    schemas.EtlworksError, 409, description="The flow is exclusive and already running"
)
@response_schema(
    schemas.EtlworksError, 422, description="This Idempotency-Key belongs to a different request"
)
async def run_by_message(request: web.Request) -> web.StreamResponse:
    """Start the flow that listens at an address with a message, identified by `messageUuid`."""
    tenant, pattern = request[CONTEXT].principal.tenant, parsing.listener(request)
    flow = await query_api(request).flow(tenant, "etlworks", "listener", pattern)
    # A look-up also finds a flow by an earlier address, at which it no longer listens.
    if flow is None or flow.ids["etlworks"].get("listener") != pattern:
        raise NotFound(f"No flow listens at {pattern}")
    payload = await parsing.message(request, request.app[SERVICE].settings.max_body)
    return await _start(request, flow, payload, trigger="message")


async def _run(request: web.Request, flow: Flow) -> web.StreamResponse:
    payload = await parsing.parameters(request, request.app[SERVICE].settings.max_body)
    return await _start(request, flow, payload)


async def _start(
    request: web.Request, flow: Flow, payload: Mapping[str, Any], trigger: Trigger = "on_demand"
) -> web.StreamResponse:
    command = StartRun(
        tenant=flow.tenant,
        origin=origin(request, "etlworks"),
        fullname=flow.fullname,
        payload=payload,
        trigger=trigger,
        idempotency_key=read_idempotency_key(request),
    )
    outcome = await submit(request, command)
    run = await request.app[SERVICE].queries.execution_after(flow.tenant, outcome)
    return json_response(rendering.started(run), headers=replay_header(outcome))


async def _flow(request: web.Request, tenant: str, flow_id: int) -> Flow:
    flow = await query_api(request).flow(tenant, "etlworks", "flowId", flow_id)
    if flow is None:
        raise NotFound(f"There is no flow {flow_id}")
    return flow


async def _flow_by_name(request: web.Request, tenant: str) -> Flow:
    catalogue = request.app[SERVICE].catalogue
    names = parsing.flow_names(request)
    for name in names:
        flows = await catalogue.named(tenant, name)
        if len(flows) == 1:
            return flows[0]
        if flows:
            known = ", ".join(flow.fullname for flow in flows)
            raise BadRequest(f"More than one flow is named {name}: name one of {known}")
    raise NotFound(f"There is no flow {names[0]}")
