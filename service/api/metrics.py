"""The handler of /metrics."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web
from aiohttp.hdrs import ACCEPT, CONTENT_TYPE

from events.errors import LogError
from service.http.openapi.decorators import docs
from service.metrics.exposition import exposition
from service.metrics.state import Rows
from service.runtime import SERVICE

PROBE_S: Final = 2.0
"""How long a scrape waits for the database; after that it shows only the process."""


@docs(
    description="The read models are left out while the database does not answer:"
    " `flowledger_database_up` is 0. No label names a tenant, run or flow, so any key may read"
    " this: give Prometheus a viewer's key of a tenant of its own.",
    responses={
        "200": {
            "description": "The metrics, in the format that is accepted.",
            "content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/openmetrics-text": {"schema": {"type": "string"}},
            },
        }
    },
)
async def metrics(request: web.Request) -> web.StreamResponse:
    """Read the metrics of the process and of the read models."""
    service = request.app[SERVICE]
    rows: Rows | None = None
    try:
        async with asyncio.timeout(PROBE_S):
            rows = await service.positions.statuses()
    except (LogError, TimeoutError):
        pass  # `flowledger_database_up` shows it
    body, content_type = exposition(service.metrics, rows, request.headers.get(ACCEPT, ""))
    return web.Response(body=body, headers={CONTENT_TYPE: content_type})
