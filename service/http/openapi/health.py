"""Health: whether the process is alive, and whether it can serve."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp import web

from events.errors import LogError
from service.dialect import Route
from service.http.messages import json_response
from service.http.openapi.decorators import docs
from service.ops.supervisor import Supervised
from service.runtime import SERVICE

PROBE_TIMEOUT_S: Final = 2.0
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
    responses={
        "200": {"description": "It can serve.", **_STATE},
        "503": {"description": "It cannot serve; `reasons` says why.", **_STATE},
    },
)
async def ready(request: web.Request) -> web.StreamResponse:
    """Check that the service can serve: database, background tasks, read models."""
    service = request.app[SERVICE]
    reasons: list[str] = []
    state: dict[str, Any] = {"status": "ready", "reasons": reasons}
    state["tasks"] = [_task(task, reasons) for task in service.supervisor.tasks]
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            state["head"] = await service.log.head()
            # An error may quote any tenant's event, and this page is open to all.
            rows = await service.positions.statuses()
            state["projections"] = [{**row, "error": None} for row in rows]
    except (LogError, TimeoutError) as error:
        reasons.append(f"the database does not answer: {error}")
    if service.stopping:
        reasons.append("the service is stopping")
    if not reasons:
        return json_response(state)
    return json_response(state | {"status": "not ready"}, status=503, headers={"Retry-After": "1"})


def _task(task: Supervised, reasons: list[str]) -> dict[str, Any]:
    if task.state != "running":
        reasons.append(f"background task {task.name} is {task.state}: {task.last_error}")
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
