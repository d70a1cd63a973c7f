"""Handlers of what is read off the log and beside it: events and flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import orjson
from aiohttp import web

from events.envelope import Event, Position
from service.api import parsing, rendering, schemas
from service.http.context import CONTEXT, query_api
from service.http.messages import json_response
from service.http.openapi.decorators import docs, querystring_schema, response_schema

NDJSON: Final = "application/x-ndjson"
NEXT_AFTER: Final = "Flowledger-Next-After"
_WINDOW: Final = ("after", "limit")


@docs(produces=["application/json", NDJSON])
@querystring_schema(schemas.LedgerLogQuery)
@response_schema(schemas.LedgerEvents, 200, description="A page of the log")
async def events(request: web.Request) -> web.StreamResponse:
    """Read the log from a position on: a tenant's events, or all with a ledger-wide credential."""
    tenant = parsing.tenant_or_all(request, *_WINDOW)
    after, limit = parsing.window(request.query, "after", default=100)
    page, next_after = await query_api(request).events(tenant, Position(after or 0), limit)
    request[CONTEXT].position = next_after
    return _page(request, page, next_after)


@docs(produces=["application/json", NDJSON])
@querystring_schema(schemas.LedgerRunEventsQuery)
@response_schema(schemas.LedgerEvents, 200, description="The run's events")
async def history(request: web.Request) -> web.StreamResponse:
    """Show the events of a run in order, from a version on."""
    tenant, run_id = parsing.tenant(request, *_WINDOW), parsing.run_id(request)
    after, limit = parsing.window(request.query, "after", default=1000)
    page = await query_api(request).history(tenant, run_id, after=after or 0, limit=limit)
    if page:
        request[CONTEXT].position = page[-1].position
    return _page(request, page, page[-1].version if page else after or 0)


def _page(request: web.Request, page: Sequence[Event], next_after: int) -> web.Response:
    shown = [rendering.event(event) for event in page]
    return numbered(request, shown, next_after)


def numbered(request: web.Request, shown: Sequence[object], next_after: int) -> web.Response:
    """Answer with a page of events and the number to go on after, as JSON or as lines of it."""
    if wants_lines(request):
        return lines(shown, {NEXT_AFTER: str(next_after)})
    return json_response({"events": shown, "next_after": next_after})


def wants_lines(request: web.Request) -> bool:
    """Tell whether a page was asked for as lines of JSON."""
    return NDJSON in request.headers.get("Accept", "")


def lines(shown: Sequence[object], headers: Mapping[str, str]) -> web.Response:
    """Answer with lines of JSON; what else belongs to the page stands in the headers."""
    body = b"".join(orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in shown)
    return web.Response(body=body, content_type=NDJSON, headers=headers)


@querystring_schema(schemas.LedgerTenantQuery)
@response_schema(schemas.LedgerFlows, 200, description="The flows")
async def flows(request: web.Request) -> web.StreamResponse:
    """List the tenant's flows by name, retired ones too."""
    reads = query_api(request)
    found = await reads.flows(parsing.tenant(request))
    request[CONTEXT].position = found.position
    return json_response({"flows": [rendering.flow(doc, reads.now_us) for doc in found.rows]})
