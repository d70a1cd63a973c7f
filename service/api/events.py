"""Handlers of events: the log, a run's history, the audit trail, and corrections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import orjson
from aiohttp import web
from yarl import URL

from events.envelope import Event, Position
from service.api import parsing, rendering
from service.api.schemas import events as schemas
from service.api.schemas.runs import LedgerProblem, LedgerStartHeaders, LedgerTenantQuery
from service.http.context import CONTEXT, as_of_position, origin, query_api, submit
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

NDJSON: Final = "application/x-ndjson"
NEXT_AFTER: Final = "Flowledger-Next-After"
NEXT_CURSOR: Final = "Flowledger-Next-Cursor"
_PAGE: Final = ("after", "limit")
_CORRECTION: Final = frozenset({"position", "reason", "data"})


@docs(produces=["application/json", NDJSON])
@querystring_schema(schemas.LedgerLogQuery)
@response_schema(schemas.LedgerEvents, 200, description="A page of the log")
async def events(request: web.Request) -> web.StreamResponse:
    """Read the log after a position: a tenant's events, or all with a ledger-wide credential."""
    tenant = parsing.tenant_or_all(request, *_PAGE)
    after, limit = parsing.page_bounds(request.query, "after", default=100)
    page, next_after = await query_api(request).events(tenant, Position(after or 0), limit)
    request[CONTEXT].position = next_after
    return _events_response(request, page, next_after)


@docs(produces=["application/json", NDJSON])
@querystring_schema(schemas.LedgerRunEventsQuery)
@response_schema(schemas.LedgerEvents, 200, description="The run's events")
async def history(request: web.Request) -> web.StreamResponse:
    """Read the events of a run in order, after a version."""
    tenant, run_id = parsing.tenant(request, *_PAGE), parsing.run_id(request)
    after, limit = parsing.page_bounds(request.query, "after", default=1000)
    page = await query_api(request).history(tenant, run_id, after=after or 0, limit=limit)
    if page:
        request[CONTEXT].position = page[-1].position
    return _events_response(request, page, page[-1].version if page else after or 0)


@docs(produces=["application/json", NDJSON])
@querystring_schema(schemas.LedgerRunEventsQuery)
@response_schema(schemas.LedgerHistory, 200, description="The run's events and their changes")
async def run_history(request: web.Request) -> web.StreamResponse:
    """Read the events of a run in order, each with what it changed in the run."""
    tenant, run_id = parsing.tenant(request, *_PAGE), parsing.run_id(request)
    after, limit = parsing.page_bounds(request.query, "after", default=100)
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
    rows = [rendering.history_entry(entry) for entry in entries]
    next_after = entries[-1].event.version if entries else after or 0
    return _page_response(request, rows, next_after)


@docs(produces=["application/json", NDJSON])
@querystring_schema(schemas.LedgerAuditQuery)
@response_schema(schemas.LedgerAudit, 200, description="A page of the audit trail")
async def audit_trail(request: web.Request) -> web.StreamResponse:
    """Read who did what, newest first, administrative acts included."""
    tenant = parsing.tenant_or_all(request, *parsing.AUDIT_FILTERS, "cursor", "limit")
    cursor, limit = parsing.page_bounds(request.query, "cursor", default=100)
    window = parsing.audit_window(tenant, request.query)
    page = await request.app[SERVICE].audit.audit_page(
        window, before=cursor, limit=limit, up_to=as_of_position(request)
    )
    request[CONTEXT].position = page.looked_from
    rows = [rendering.audit_entry(event, flow) for event, flow in page.entries]
    next_cursor = None if page.next_before is None else str(page.next_before)
    if _wants_ndjson(request):
        return _ndjson_response(rows, {NEXT_CURSOR: next_cursor} if next_cursor else {})
    return json_response({"events": rows, "next_cursor": next_cursor})


@querystring_schema(LedgerTenantQuery)
@headers_schema(LedgerStartHeaders)
@request_schema(schemas.LedgerCorrect)
@response_schema(schemas.LedgerCorrection, 201, description="The correction, recorded")
@response_schema(LedgerProblem, 415, description="Not JSON")
@response_schema(
    LedgerProblem, 422, description="This Idempotency-Key belongs to a different request"
)
async def correct(request: web.Request) -> web.StreamResponse:
    """Record what is wrong in an event of the run; the event and the run's states stay."""
    tenant = parsing.tenant(request)
    body = await parsing.json_object(request, _CORRECTION)
    command = RecordCorrection(
        tenant=tenant,
        origin=origin(request, "api"),
        run_id=parsing.run_id(request),
        position=parsing.positive_integer(body, "position"),
        reason=parsing.required_text(body, "reason", max_length=parsing.MAX_REASON),
        data=parsing.optional_mapping(body, "data"),
        idempotency_key=read_idempotency_key(request),
    )
    outcome = await submit(request, command)
    correction, corrected = await request.app[SERVICE].audit.correction(outcome.position)
    location = URL(f"/v1/runs/{command.run_id}/history").with_query(
        {**request.query, "after": str(correction.version - 1), "limit": "1"}
    )
    body = {"correction": rendering.event(correction), "corrects": rendering.event(corrected)}
    headers = {"Location": str(location)} | replay_header(outcome)
    return json_response(body, status=201, headers=headers)


def _events_response(request: web.Request, page: Sequence[Event], next_after: int) -> web.Response:
    return _page_response(request, [rendering.event(event) for event in page], next_after)


def _page_response(request: web.Request, rows: Sequence[object], next_after: int) -> web.Response:
    """Answer with a page and where the next one begins, as JSON or newline-delimited JSON."""
    if _wants_ndjson(request):
        return _ndjson_response(rows, {NEXT_AFTER: str(next_after)})
    return json_response({"events": rows, "next_after": next_after})


def _wants_ndjson(request: web.Request) -> bool:
    return NDJSON in request.headers.get("Accept", "")


def _ndjson_response(rows: Sequence[object], headers: Mapping[str, str]) -> web.Response:
    body = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
    return web.Response(body=body, content_type=NDJSON, headers=headers)
