"""Handlers of /v1/projections: status, paused read models, rebuilds and rollback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from events.envelope import Position
from events.types import EVERY_TENANT
from projections.documents.run import micros
from projections.rebuild.jobs import MAX_WORKERS, Rebuild
from service.api import parsing
from service.api.rendering import format_time
from service.api.schemas import projections as schemas
from service.api.schemas.runs import LedgerProblem
from service.http.context import CONTEXT, origin
from service.http.messages import json_response
from service.http.openapi.decorators import request_schema, response_schema
from service.ops.paused import MAX_REASON, ResumeResult
from service.runtime import SERVICE

_RETRY: Final = frozenset({"version"})
_SKIP: Final = frozenset({"version", "position", "reason"})
_REBUILD: Final = frozenset({"workers", "rate"})
_NO_MEMBERS: Final = frozenset[str]()


@response_schema(schemas.LedgerProjections, 200, description="The read models")
async def list_projections(request: web.Request) -> web.StreamResponse:
    """List the read models with their position, lag, rate, state, error and advice.

    The text of an error may quote any tenant's event, so only a key of tenant `*` sees it.
    """
    parsing.check_query(request)
    rows = await request.app[SERVICE].operations.lag_monitor.refresh()
    return json_response({"projections": [_without_error(request, row) for row in rows]})


def _without_error(request: web.Request, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Hide the text of an error from a tenant's key: it may quote any tenant's event."""
    ledger_wide = request[CONTEXT].principal.tenant == EVERY_TENANT
    return row if ledger_wide else {**row, "error": None}


@request_schema(schemas.LedgerProjectionRetry, required=False)
@response_schema(schemas.LedgerResumed, 200, description="The outcome")
@response_schema(LedgerProblem, 409, description="It is not paused")
@response_schema(LedgerProblem, 415, description="Not JSON")
async def retry_event(request: web.Request) -> web.StreamResponse:
    """Let a paused read model retry the event that paused it."""
    parsing.check_query(request)
    body = await parsing.optional_json_object(request, _RETRY)
    resumed = await request.app[SERVICE].operations.paused.retry(
        request.match_info["name"], parsing.optional_integer(body, "version")
    )
    return _resume_response(request, resumed)


@request_schema(schemas.LedgerProjectionSkip)
@response_schema(schemas.LedgerResumed, 200, description="The outcome")
@response_schema(LedgerProblem, 409, description="It is not paused at this event")
@response_schema(LedgerProblem, 415, description="Not JSON")
async def skip_event(request: web.Request) -> web.StreamResponse:
    """Let a paused read model skip the event that paused it, on record.

    Skipping an event again changes nothing. The read model then lacks the event for every tenant,
    so it takes a key of tenant `*`.
    """
    parsing.check_query(request)
    body = await parsing.json_object(request, _SKIP)
    resumed = await request.app[SERVICE].operations.paused.skip(
        request.match_info["name"],
        parsing.optional_integer(body, "version"),
        Position(parsing.positive_integer(body, "position")),
        reason=parsing.required_text(body, "reason", max_length=MAX_REASON),
        origin=origin(request, "api"),
    )
    return _resume_response(request, resumed)


def _resume_response(request: web.Request, resumed: ResumeResult) -> web.Response:
    return json_response(
        {
            "outcome": resumed.outcome,
            "skipped_at": resumed.skipped_at,
            "projection": _without_error(request, resumed.row),
        }
    )


@request_schema(schemas.LedgerRebuildStart, required=False)
@response_schema(
    schemas.LedgerRebuild, 202, description="The rebuild is accepted and begins within a second"
)
@response_schema(
    LedgerProblem,
    409,
    description="A rebuild is in progress, or the serving schema version is newer",
)
@response_schema(LedgerProblem, 415, description="Not JSON")
async def start_rebuild(request: web.Request) -> web.StreamResponse:
    """Start to rebuild a read model beside the serving version, or resume a failed rebuild."""
    parsing.check_query(request)
    body = await parsing.optional_json_object(request, _REBUILD)
    name = request.match_info["name"]
    found = await request.app[SERVICE].operations.rebuilds.start(
        name,
        origin(request, "api"),
        workers=parsing.optional_integer(body, "workers", most=MAX_WORKERS),
        rate=parsing.optional_integer(body, "rate"),
    )
    headers = {"Location": f"/v1/projections/{name}/rebuild"}
    return json_response(_render_rebuild(request, found), status=202, headers=headers)


@response_schema(schemas.LedgerRebuild, 200, description="The newest rebuild of the read model")
async def rebuild_progress(request: web.Request) -> web.StreamResponse:
    """Read the progress of a rebuild."""
    parsing.check_query(request)
    found = await request.app[SERVICE].operations.rebuilds.progress(request.match_info["name"])
    return json_response(_render_rebuild(request, found))


@response_schema(schemas.LedgerRebuild, 202, description="It stops and is dropped within seconds")
@response_schema(LedgerProblem, 409, description="No rebuild is in progress")
async def cancel_rebuild(request: web.Request) -> web.StreamResponse:
    """Cancel a rebuild and drop the version it was making."""
    parsing.check_query(request)
    await parsing.optional_json_object(request, _NO_MEMBERS)
    found = await request.app[SERVICE].operations.rebuilds.cancel(request.match_info["name"])
    return json_response(_render_rebuild(request, found), status=202)


@response_schema(schemas.LedgerRebuild, 200, description="The previous version serves again")
@response_schema(LedgerProblem, 409, description="There is no previous version to serve")
async def roll_back(request: web.Request) -> web.StreamResponse:
    """Switch back to the previous version."""
    parsing.check_query(request)
    await parsing.optional_json_object(request, _NO_MEMBERS)
    found = await request.app[SERVICE].operations.rebuilds.roll_back(
        request.match_info["name"], origin(request, "api")
    )
    return json_response(_render_rebuild(request, found))


def _render_rebuild(request: web.Request, rebuild: Rebuild) -> Mapping[str, Any]:
    body = {
        "rebuild_id": rebuild.rebuild_id,
        "projection": rebuild.name,
        "purpose": rebuild.purpose.replace(" ", "_"),
        "from_version": rebuild.from_version,
        "version": rebuild.new_version,
        "shape": rebuild.schema_version,
        "phase": rebuild.phase.replace(" ", "_"),
        "target": rebuild.target,
        "folded": rebuild.folded,
        "rate": rebuild.rate,
        "remaining_s": rebuild.remaining_s,
        "cancel_requested": rebuild.cancel_requested,
        "error": rebuild.error,
        "error_position": rebuild.error_position,
        "result": rebuild.result,
        "started_by": rebuild.started_by,
        "created_at": format_time(micros(rebuild.created_at)),
        "updated_at": format_time(micros(rebuild.updated_at)),
    }
    return _without_error(request, body)
