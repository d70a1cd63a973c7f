"""Handlers of /v1/projections: how far the read models are, and what an operator does to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from events.envelope import Position
from events.types import EVERY_TENANT
from service.api import parsing, schemas
from service.http.context import CONTEXT, origin
from service.http.messages import json_response
from service.http.openapi.decorators import request_schema, response_schema
from service.ops.paused import MAX_REASON, ResumeResult
from service.runtime import SERVICE

_RETRY: Final = frozenset({"version"})
_SKIP: Final = frozenset({"version", "position", "reason"})


@response_schema(schemas.LedgerProjections, 200, description="The read models")
async def listed(request: web.Request) -> web.StreamResponse:
    """List the read models with their position, lag, rate, state, error and what to do.

    The text of an error may quote any tenant's event: it takes a key of tenant `*` to see it.
    """
    parsing.check_query(request)
    rows = await request.app[SERVICE].operations.lag_monitor.refresh()
    return json_response({"projections": [without_error(request, row) for row in rows]})


def without_error(request: web.Request, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out the text of an error, which may quote any tenant's event, for a tenant's key."""
    whole = request[CONTEXT].principal.tenant == EVERY_TENANT
    return row if whole else {**row, "error": None}


@request_schema(schemas.LedgerProjectionRetry, required=False)
@response_schema(schemas.LedgerResumed, 200, description="What became of it")
@response_schema(schemas.LedgerProblem, 409, description="It is not paused")
@response_schema(schemas.LedgerProblem, 415, description="Not JSON")
async def retry(request: web.Request) -> web.StreamResponse:
    """Have a paused read model try again the event that it stands before."""
    parsing.check_query(request)
    body = await parsing.optional_object(request, _RETRY)
    resumed = await request.app[SERVICE].operations.paused.retry(
        request.match_info["name"], parsing.optional_integer(body, "version")
    )
    return _shown(request, resumed)


@request_schema(schemas.LedgerProjectionSkip)
@response_schema(schemas.LedgerResumed, 200, description="What became of it")
@response_schema(schemas.LedgerProblem, 409, description="It is not paused at this event")
@response_schema(schemas.LedgerProblem, 415, description="Not JSON")
async def skip(request: web.Request) -> web.StreamResponse:
    """Record that a read model skips the event it is paused at, and have it go on.

    Skipping an event again changes nothing. The event may be any tenant's, and all lack it then: it
    takes a key of tenant `*`.
    """
    parsing.check_query(request)
    parsing.whole_ledger(request)
    body = await parsing.json_object(request, _SKIP)
    resumed = await request.app[SERVICE].operations.paused.skip(
        request.match_info["name"],
        parsing.optional_integer(body, "version"),
        Position(parsing.whole_number(body, "position")),
        reason=parsing.text(body, "reason", longest=MAX_REASON),
        origin=origin(request, "api"),
    )
    return _shown(request, resumed)


def _shown(request: web.Request, resumed: ResumeResult) -> web.Response:
    return json_response(
        {
            "outcome": resumed.outcome,
            "skipped_at": resumed.skipped_at,
            "projection": without_error(request, resumed.row),
        }
    )
