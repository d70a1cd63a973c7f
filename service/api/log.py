"""Handlers of /v1/events, /v1/flows and /v1/projections."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from aiohttp import web

from events.envelope import Event, Position
from events.types import EVERY_TENANT
from service.api import parsing, rendering, schemas
from service.http.decorators import docs, querystring_schema, response_schema
from service.http.json import json_response
from service.http.keys import PRINCIPAL, SERVICE

NDJSON = "application/x-ndjson"


@docs(produces=["application/json", NDJSON])
@querystring_schema(schemas.LedgerPageQuery)
@response_schema(schemas.LedgerEvents, 200, description="A page of the log")
async def events(request: web.Request) -> web.StreamResponse:
    """Read the log from a position on: the tenant's events, or all for a ledger-wide credential."""
    after, limit = parsing.window(request, "after", default=100, most=1000)
    own = request[PRINCIPAL].tenant
    page, next_after = await request.app[SERVICE].log.read_page(
        Position(after or 0), limit, None if own == EVERY_TENANT else own
    )
    if NDJSON in request.headers.get("Accept", ""):
        return _lines(page, next_after)
    return json_response(
        {"events": [rendering.event(event) for event in page], "next_after": next_after}
    )


def _lines(page: Sequence[Event], next_after: Position) -> web.Response:
    body = b"".join(orjson.dumps(rendering.event(event)) + b"\n" for event in page)
    return web.Response(
        body=body, content_type=NDJSON, headers={"Flowledger-Next-After": str(next_after)}
    )


@querystring_schema(schemas.LedgerTenantQuery)
@response_schema(schemas.LedgerFlows, 200, description="The flows")
async def flows(request: web.Request) -> web.StreamResponse:
    """List the tenant's flows by name, retired ones too."""
    docs = await request.app[SERVICE].queries.flows(parsing.tenant(request))
    return json_response({"flows": [rendering.flow(doc) for doc in docs]})


@response_schema(schemas.LedgerProjections, 200, description="The read models")
async def projections(request: web.Request) -> web.StreamResponse:
    """List the read models with their position, lag, state and error."""
    return json_response({"projections": await request.app[SERVICE].queries.projections()})
