"""Health: whether the process is alive, and whether it can do its work."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION

from events.errors import LogError
from events.types import EVERY_TENANT
from service.dialect import Route
from service.errors import ServiceError
from service.http.messages import bearer_token, json_response
from service.http.openapi.decorators import docs
from service.ops.supervisor import Supervised
from service.runtime import SERVICE, Service

AUTHENTICATE_S: Final = 1.0
"""How long the look-up of a key may take; after that the answer is the one for everybody."""

_STATE: Final = {"content": {"application/json": {"schema": {"type": "object"}}}}


@docs(
    summary="Check that the process is alive",
    responses={"200": {"description": "The process is alive.", **_STATE}},
)
async def live(_request: web.Request) -> web.StreamResponse:
    """Check that the process is alive, whatever its state."""
    return json_response({"status": "alive"})


@docs(
    summary="Check that the service can serve",
    description="`reasons` and `warnings` are permanent codes. With the token of a key of all"
    " tenants there are `details`: texts, background tasks, positions of the read models.",
    responses={
        "200": {"description": "It can serve.", **_STATE},
        "503": {"description": "It cannot serve; `reasons` says why.", **_STATE},
    },
)
async def ready(request: web.Request) -> web.StreamResponse:
    """Check that the service can serve: appends, background tasks, read models, its worker."""
    service = request.app[SERVICE]
    reasons, warnings = service.readiness.reasons(), service.readiness.warnings()
    state: dict[str, Any] = {
        "status": "not ready" if reasons else "ready",
        "reasons": list(dict.fromkeys(reason.code for reason in reasons)),
        "warnings": list(dict.fromkeys(warning.code for warning in warnings)),
    }
    if await _may_see_details(request, service):
        texts = [{"code": each.code, "text": each.text} for each in (*reasons, *warnings)]
        state["details"] = _details(service, texts)
    if not reasons:
        return json_response(state)
    return json_response(state, status=503, headers={"Retry-After": "1"})


async def _may_see_details(request: web.Request, service: Service) -> bool:
    """Whether the request has a key of all tenants: a text may quote any tenant's event."""
    if AUTHORIZATION not in request.headers:
        return False
    with suppress(ServiceError, LogError, TimeoutError):
        async with asyncio.timeout(AUTHENTICATE_S):
            principal = await service.credentials.by_token(bearer_token(request))
            return principal.tenant == EVERY_TENANT
    return False


def _details(service: Service, texts: list[dict[str, str]]) -> Mapping[str, Any]:
    return {
        "reasons": texts,
        "tasks": [_task(task) for task in service.supervisor.tasks],
        "projections": [dict(row) for row in service.readiness.projections],
    }


def _task(task: Supervised) -> dict[str, Any]:
    return {
        "name": task.name,
        "state": task.state,
        "crashes": task.crashes,
        "last_error": task.last_error,
    }


ROUTES: Final = (
    Route("GET", "/health/live", live, None),
    Route("GET", "/health/ready", ready, None),
)
