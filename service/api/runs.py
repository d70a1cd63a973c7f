"""Handlers of /v1/runs and /v1/flows: start, read, list, cancel, retry, report."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from aiohttp import web

from service.api import parsing, rendering
from service.api.schemas import runs as schemas
from service.http.context import CONTEXT, origin, query_api, submit
from service.http.messages import (
    cached_response,
    json_response,
    read_idempotency_key,
    replay_header,
)
from service.http.openapi.decorators import (
    headers_schema,
    querystring_schema,
    request_schema,
    response_schema,
)
from service.runs.domain.commands import CancelRun, ReportEvents, RetryRun, StartRun
from service.runtime import SERVICE

_START: Final = frozenset({"flow", "payload", "comment"})


@querystring_schema(schemas.LedgerTenantQuery)
@headers_schema(schemas.LedgerStartHeaders)
@request_schema(schemas.LedgerStart)
@response_schema(schemas.LedgerRun, 201, description="The run")
@response_schema(schemas.LedgerProblem, 404, description="The tenant has no such flow")
@response_schema(
    schemas.LedgerProblem, 409, description="The flow is exclusive and another run has not ended"
)
@response_schema(schemas.LedgerProblem, 415, description="Not JSON")
@response_schema(
    schemas.LedgerProblem, 422, description="This Idempotency-Key belongs to a different request"
)
async def start(request: web.Request) -> web.StreamResponse:
    """Start a flow; answered when the run can be read."""
    tenant = parsing.tenant(request)
    body = await parsing.json_object(request, _START)
    return await _start(
        request,
        StartRun(
            tenant=tenant,
            origin=origin(request, "api"),
            fullname=parsing.required_text(body, "flow"),
            payload=parsing.optional_mapping(body, "payload"),
            comment=parsing.optional_text(body, "comment", max_length=255),
            idempotency_key=read_idempotency_key(request),
        ),
    )


@querystring_schema(schemas.LedgerTenantQuery)
@headers_schema(schemas.LedgerStartHeaders)
@request_schema(schemas.LedgerRetry, required=False)
@response_schema(schemas.LedgerRun, 201, description="The new run")
@response_schema(
    schemas.LedgerProblem,
    409,
    description="The flow is exclusive and another run has not ended, or that part of the run"
    " cannot run again",
)
@response_schema(schemas.LedgerProblem, 415, description="Not JSON")
@response_schema(
    schemas.LedgerProblem, 422, description="This Idempotency-Key belongs to a different request"
)
async def retry(request: web.Request) -> web.StreamResponse:
    """Start a new run of the same flow: all of it, from a group on, or what is not done."""
    tenant = parsing.tenant(request)
    body = await parsing.optional_json_object(request, frozenset({"from", "group"}))
    return await _start(
        request,
        RetryRun(
            tenant=tenant,
            origin=origin(request, "api"),
            run_id=parsing.run_id(request),
            scope=parsing.retry_scope(body),
            idempotency_key=read_idempotency_key(request),
        ),
    )


async def _start(request: web.Request, command: StartRun | RetryRun) -> web.Response:
    outcome = await submit(request, command)
    doc = await request.app[SERVICE].queries.workflow_after(command.tenant, outcome)
    location = f"/v1/runs/{outcome.run_id}"
    if query := request.rel_url.raw_query_string:
        location += f"?{query}"
    headers = {"Location": location} | replay_header(outcome)
    run = rendering.workflow(doc, request.app[SERVICE].dialects)
    return json_response(run, status=201, headers=headers)


@querystring_schema(schemas.LedgerTenantQuery)
@response_schema(schemas.LedgerRun, 200, description="The run")
async def read(request: web.Request) -> web.StreamResponse:
    """Read a run with its tasks."""
    tenant, run_id = parsing.tenant(request), parsing.run_id(request)
    doc = await query_api(request).workflow(tenant, run_id)
    request[CONTEXT].position = doc["position"]
    return cached_response(rendering.workflow, doc, request.app[SERVICE].dialects)


@querystring_schema(schemas.LedgerRunQuery)
@response_schema(schemas.LedgerRuns, 200, description="A page of runs")
async def list_runs(request: web.Request) -> web.StreamResponse:
    """List runs, newest first, without their tasks."""
    tenant = parsing.tenant(request, *parsing.FILTERS, "cursor", "limit")
    cursor, limit = parsing.page_bounds(request.query, "cursor", default=50)
    # One row more than requested tells whether there is a next page.
    found, request[CONTEXT].position = await query_api(request).scan(
        tenant, parsing.run_filter(request.query), before=cursor, limit=limit + 1
    )
    rows = found[:limit]
    next_cursor = str(rows[-1]["queued_position"]) if len(found) > limit else None
    dialects = request.app[SERVICE].dialects
    runs = [rendering.run(doc, dialects) for doc in rows]
    return json_response({"runs": runs, "next_cursor": next_cursor})


@querystring_schema(schemas.LedgerTenantQuery)
@request_schema(schemas.LedgerCancel, required=False)
@response_schema(schemas.LedgerRun, 200, description="The run")
@response_schema(schemas.LedgerProblem, 409, description="The run has ended")
@response_schema(schemas.LedgerProblem, 415, description="Not JSON")
async def cancel(request: web.Request) -> web.StreamResponse:
    """Cancel a run; ``{"force": true}`` does not wait for its running tasks."""
    tenant = parsing.tenant(request)
    body = await parsing.optional_json_object(request, frozenset({"force"}))
    command = CancelRun(
        tenant=tenant,
        origin=origin(request, "api"),
        run_id=parsing.run_id(request),
        force=parsing.optional_flag(body, "force"),
    )
    await submit(request, command)
    doc = await request.app[SERVICE].queries.workflow(tenant, command.run_id)
    return json_response(rendering.workflow(doc, request.app[SERVICE].dialects))


@querystring_schema(schemas.LedgerTenantQuery)
@request_schema(schemas.LedgerReport)
@response_schema(schemas.LedgerReportResults, 200, description="An answer for each event")
@response_schema(schemas.LedgerProblem, 415, description="Not JSON")
async def report(request: web.Request) -> web.StreamResponse:
    """Record events of an external run; each event is answered by itself."""
    tenant = parsing.tenant(request)
    body = await parsing.json_object(request, frozenset({"events"}))
    command = ReportEvents(
        tenant=tenant,
        origin=origin(request, "api"),
        run_id=parsing.run_id(request),
        events=parsing.reported_events(body),
    )
    outcome = await submit(request, command)
    return json_response({"results": [asdict(result) for result in outcome.results]})


@querystring_schema(schemas.LedgerTenantQuery)
@response_schema(schemas.LedgerFlows, 200, description="The flows")
async def flows(request: web.Request) -> web.StreamResponse:
    """List the tenant's flows by name, with retired ones."""
    queries = query_api(request)
    found = await queries.flows(parsing.tenant(request))
    request[CONTEXT].position = found.position
    return json_response({"flows": [rendering.flow(doc, queries.now_us) for doc in found.rows]})
