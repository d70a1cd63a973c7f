"""Handlers of /v1/projections/{name}/rebuild and /rollback: an operator has read models rebuilt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from projections.documents.run import micros
from projections.rebuild.jobs import Rebuild
from service.api import parsing, schemas
from service.api.projections import without_error
from service.api.rendering import moment
from service.http.context import origin
from service.http.messages import json_response
from service.http.openapi.decorators import request_schema, response_schema
from service.runtime import SERVICE

_START: Final = frozenset({"workers", "rate"})
_NOTHING: Final = frozenset[str]()


@request_schema(schemas.LedgerRebuildStart, required=False)
@response_schema(
    schemas.LedgerRebuild, 202, description="It is entered, and begins within a second"
)
@response_schema(schemas.LedgerProblem, 409, description="One is under way, or it would go back")
@response_schema(schemas.LedgerProblem, 415, description="Not JSON")
async def start(request: web.Request) -> web.StreamResponse:
    """Have a read model rebuilt beside the version that answers; one that failed goes on."""
    parsing.check_query(request)
    body = await parsing.optional_object(request, _START)
    name = request.match_info["name"]
    found = await request.app[SERVICE].operations.rebuilds.start(
        name,
        origin(request, "api"),
        workers=parsing.optional_integer(body, "workers"),
        rate=parsing.optional_integer(body, "rate"),
    )
    where = {"Location": f"/v1/projections/{name}/rebuild"}
    return json_response(_shown(request, found), status=202, headers=where)


@response_schema(schemas.LedgerRebuild, 200, description="The newest rebuild of the read model")
async def progress(request: web.Request) -> web.StreamResponse:
    """Tell how far a rebuild is."""
    parsing.check_query(request)
    found = await request.app[SERVICE].operations.rebuilds.progress(request.match_info["name"])
    return json_response(_shown(request, found))


@response_schema(schemas.LedgerRebuild, 202, description="It will be dropped within seconds")
@response_schema(schemas.LedgerProblem, 409, description="None is under way")
async def cancel(request: web.Request) -> web.StreamResponse:
    """Drop a rebuild and what it has built."""
    parsing.check_query(request)
    await parsing.optional_object(request, _NOTHING)
    found = await request.app[SERVICE].operations.rebuilds.cancel(request.match_info["name"])
    return json_response(_shown(request, found), status=202)


@response_schema(schemas.LedgerRebuild, 200, description="The version before answers again")
@response_schema(schemas.LedgerProblem, 409, description="There is no way back as things stand")
async def roll_back(request: web.Request) -> web.StreamResponse:
    """Have the version before answer again."""
    parsing.check_query(request)
    await parsing.optional_object(request, _NOTHING)
    found = await request.app[SERVICE].operations.rebuilds.roll_back(
        request.match_info["name"], origin(request, "api")
    )
    return json_response(_shown(request, found))


def _shown(request: web.Request, rebuild: Rebuild) -> Mapping[str, Any]:
    shown = {
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
        "created_at": moment(micros(rebuild.created_at)),
        "updated_at": moment(micros(rebuild.updated_at)),
    }
    return without_error(request, shown)
