"""Handlers of Etlworks' calls: parse, ask, render."""

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

# An answer is kept by what makes it, so each vocabulary has a maker of its own.
_IN_SIX_WORDS: Final = partial(rendering.execution, words=SIX_WORDS)

LOOKS: Final = 5
"""How often the run with a status is looked for, while those that are found move on."""


@match_info_schema(schemas.EtlworksFlowPath)
@querystring_schema(schemas.EtlworksStatusQuery)
@response_schema(schemas.EtlworksExecution, 200, description="The execution")
async def status(request: web.Request) -> web.StreamResponse:
    """Show an execution of a flow: the one named, else the one started last, running or not."""
    tenant = auth.reader(request).tenant
    words = words_for(tenant, request.app[SERVICE].settings.etlworks_six_words)
    wanted = parsing.selection(request)
    flow = await _flow(request, tenant, wanted.flow_id)
    run = await _selected(request, flow, wanted, words)
    request[CONTEXT].position = run["position"]
    return cached_response(_IN_SIX_WORDS if words is SIX_WORDS else rendering.execution, run)


async def _selected(
    request: web.Request, flow: Flow, wanted: Selection, words: Words
) -> ExecutionDocument:
    try:
        run = await _found(request, flow, wanted, words)
    except UnknownRun as error:
        raise NotFound(f"There are no executions of {wanted}") from error
    if not wanted.matches(run, flow.fullname, words[run["status"]]):
        raise NotFound(f"There are no executions of {wanted}")
    return run


async def _found(
    request: web.Request, flow: Flow, wanted: Selection, words: Words
) -> ExecutionDocument:
    reads = query_api(request)
    if wanted.audit_id is not None:
        return await reads.execution_by_number(flow.tenant, wanted.audit_id)
    if wanted.message_id is not None:
        return await reads.execution(flow.tenant, wanted.message_id)
    if wanted.status is not None:
        return await _latest_that_is(request, flow, states_of(wanted.status, words))
    return await reads.latest_execution(flow.tenant, flow.number)


async def _latest_that_is(
    request: web.Request, flow: Flow, states: tuple[RunStatus, ...]
) -> ExecutionDocument:
    """Find the run of a flow that was queued last of those in one of the states."""
    reads = query_api(request)
    for _ in range(LOOKS):
        listed: list[ListingDocument] = []
        for state in states:
            wanted = RunFilter(fullname=flow.fullname, status=state)
            listed += (await reads.scan(flow.tenant, wanted, before=None, limit=1)).rows
        if not listed:
            raise UnknownRun(flow.fullname)
        newest = max(listed, key=lambda row: row["queued_position"])
        run = await reads.execution(flow.tenant, newest["run_id"])
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
    """Download the log of an execution: what its tasks have printed, as far as it is kept."""
    tenant = auth.reader(request).tenant
    wanted = parsing.downloaded(request)
    flow = await _flow(request, tenant, wanted.flow_id)
    found = await _selected(request, flow, wanted, WORDS)
    run = await query_api(request).workflow(tenant, found["run_id"])
    request[CONTEXT].position = run["position"]
    name = f"flow-{wanted.flow_id}-{wanted.audit_id}.log"
    return web.Response(
        text=rendering.log(run),
        content_type="text/plain",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


def _starts(handler: Handler) -> Handler:
    """Document a start with parameters."""
    for documented in (
        response_schema(
            schemas.EtlworksError,
            422,
            description="This Idempotency-Key belongs to a different request",
        ),
        response_schema(schemas.EtlworksError, 415, description="The body is not JSON"),
        response_schema(schemas.EtlworksError, 409, description="The flow is exclusive and runs"),
        response_schema(schemas.EtlworksStarted, 200, description="The execution was started"),
        request_schema(schemas.EtlworksParameters, required=False),
        headers_schema(schemas.EtlworksStartHeaders),
    ):
        handler = documented(handler)
    return handler


@match_info_schema(schemas.EtlworksFlowPath)
@_starts
async def run(request: web.Request) -> web.StreamResponse:
    """Start a flow with parameters; answered when the execution can be read."""
    flow = await _flow(request, request[CONTEXT].principal.tenant, parsing.flow_id(request))
    return await _run(request, flow)


@match_info_schema(schemas.EtlworksFlowNamePath)
@_starts
async def run_by_name(request: web.Request) -> web.StreamResponse:
    """Start the flow of a name, with parameters if there are any."""
    flow = await _named(request, request[CONTEXT].principal.tenant)
    return await _run(request, flow)


@match_info_schema(schemas.EtlworksListenerPath)
@headers_schema(schemas.EtlworksStartHeaders)
@request_schema(schemas.EtlworksMessage, required=False)
@response_schema(schemas.EtlworksStarted, 200, description="The message started an execution")
@response_schema(schemas.EtlworksError, 409, description="The flow is exclusive and runs")
@response_schema(
    schemas.EtlworksError, 422, description="This Idempotency-Key belongs to a different request"
)
async def run_by_message(request: web.Request) -> web.StreamResponse:
    """Start the flow that listens at an address with a message; `messageUuid` is the message."""
    tenant, pattern = request[CONTEXT].principal.tenant, parsing.listener(request)
    flow = await query_api(request).flow(tenant, "etlworks", "listener", pattern)
    # Who has listened somewhere before keeps the address, and hears nothing there any more.
    if flow is None or flow.ids["etlworks"].get("listener") != pattern:
        raise NotFound(f"No flow listens at {pattern}")
    payload = await parsing.message(request, request.app[SERVICE].settings.max_body)
    return await _started(request, flow, payload, trigger="message")


async def _run(request: web.Request, flow: Flow) -> web.StreamResponse:
    payload = await parsing.parameters(request, request.app[SERVICE].settings.max_body)
    return await _started(request, flow, payload)


async def _started(
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


async def _named(request: web.Request, tenant: str) -> Flow:
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
