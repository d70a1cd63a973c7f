"""Handlers for auditors: a run's history, the audit trail, and corrections."""

from __future__ import annotations

from functools import partial
from typing import Final

from aiohttp import web
from yarl import URL

from service.api import parsing, rendering, schemas
from service.api.log import NDJSON, lines, numbered, wants_lines
from service.http.context import CONTEXT, as_of_position, origin, submit
from service.http.messages import json_response, read_idempotency_key, replay_header
from service.http.openapi.decorators import (
    docs,
    headers_schema,
    querystring_schema,
    request_schema,
    response_schema,
)
from service.runs.domain.commands import RecordCorrection
from service.runtime import SERVICE

CORRECTION: Final = frozenset({"position", "reason", "data"})
NEXT_CURSOR: Final = "Flowledger-Next-Cursor"


@docs(produces=["application/json", NDJSON])
@querystring_schema(schemas.LedgerRunEventsQuery)
@response_schema(schemas.LedgerHistory, 200, description="The run's events, told")
async def run_history(request: web.Request) -> web.StreamResponse:
    """Tell the events of a run in order, each with what it changed in the run."""
    tenant, run_id = parsing.tenant(request, "after", "limit"), parsing.run_id(request)
    after, limit = parsing.window(request.query, "after", default=100)
    service = request.app[SERVICE]
    entries = await service.audit.history(
        tenant,
        run_id,
        up_to=as_of_position(request),
        after=after or 0,
        limit=limit,
        render_run=partial(rendering.run, dialects=service.dialects),
        render_task=rendering.task,
    )
    if entries:
        request[CONTEXT].position = entries[-1].event.position
    shown = [rendering.history_entry(each) for each in entries]
    next_after = entries[-1].event.version if entries else after or 0
    return numbered(request, shown, next_after)


@docs(produces=["application/json", NDJSON])
@querystring_schema(schemas.LedgerAuditQuery)
@response_schema(schemas.LedgerAudit, 200, description="A page of the audit trail")
async def audit_trail(request: web.Request) -> web.StreamResponse:
    """Read what was done and by whom, newest first, administrative acts included."""
    tenant = parsing.tenant_or_all(request, *parsing.AUDIT_FILTERS, "cursor", "limit")
    cursor, limit = parsing.window(request.query, "cursor", default=100)
    window = parsing.audit_window(tenant, request.query)
    page = await request.app[SERVICE].audit.audit_page(
        window, before=cursor, limit=limit, up_to=as_of_position(request)
    )
    request[CONTEXT].position = page.looked_from
    shown = [rendering.audited(event, flow) for event, flow in page.entries]
    following = None if page.next_before is None else str(page.next_before)
    if wants_lines(request):
        return lines(shown, {NEXT_CURSOR: following} if following else {})
    return json_response({"events": shown, "next_cursor": following})


@querystring_schema(schemas.LedgerTenantQuery)
@headers_schema(schemas.LedgerStartHeaders)
@request_schema(schemas.LedgerCorrect)
@response_schema(schemas.LedgerCorrection, 201, description="The correction, recorded")
@response_schema(schemas.LedgerProblem, 415, description="Not JSON")
@response_schema(
    schemas.LedgerProblem, 422, description="This Idempotency-Key belongs to a different request"
)
async def correct(request: web.Request) -> web.StreamResponse:
    """Record what is wrong in an event of the run; the event and the run's states stay."""
    tenant = parsing.tenant(request)
    body = await parsing.json_object(request, CORRECTION)
    command = RecordCorrection(
        tenant=tenant,
        origin=origin(request, "api"),
        run_id=parsing.run_id(request),
        position=parsing.whole_number(body, "position"),
        reason=parsing.text(body, "reason", longest=parsing.MAX_REASON),
        data=parsing.mapping(body, "data"),
        idempotency_key=read_idempotency_key(request),
    )
    outcome = await submit(request, command)
    correction, corrected = await request.app[SERVICE].audit.correction(outcome.position)
    location = URL(f"/v1/runs/{command.run_id}/history").with_query(
        {**request.query, "after": str(correction.version - 1), "limit": "1"}
    )
    shown = {
        "correction": rendering.event(correction),
        "corrects": rendering.event(corrected),
    }
    headers = {"Location": str(location)} | replay_header(outcome)
    return json_response(shown, status=201, headers=headers)
