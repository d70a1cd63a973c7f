"""What NAVER's operations do: parse, ask, render."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from projections.flow import Flow
from service.dialects.naver import parsing, rendering, schemas
from service.errors import UnknownFlow
from service.http.decorators import (
    docs,
    headers_schema,
    match_info_schema,
    querystring_schema,
    response_schema,
)
from service.http.json import json_response
from service.http.keys import POSITION, PRINCIPAL
from service.http.origins import origin
from service.http.reading import reading
from service.http.starts import idempotency_key, replayed, start
from service.runs.commands import StartRun

SOURCE: Final = "naver"
MOST_RUNS: Final = 2**31 - 1
"""No ledger holds more runs: a page that begins beyond is as empty as one right behind them."""


@docs(
    summary="List a workflow's executions, newest first",
    description="One row a run. `count` is of all that match, not of the page.",
)
@match_info_schema(schemas.NaverWorkflowPath)
@querystring_schema(schemas.NaverListQuery)
@response_schema(schemas.NaverExecutions, 200, description="The page")
async def executions(request: web.Request) -> web.StreamResponse:
    """List a workflow's executions, newest first."""
    asked = parsing.paging(request.query)
    flow = await _flow(request)
    rows, count = await _rows(request, flow, asked)
    condition = rendering.job_condition(flow)
    now_us = reading(request).now_us
    return json_response(
        {
            "list": [rendering.execution(row, condition, now_us) for row in rows],
            "count": count,
            "page": asked.page,
            "limit": asked.limit,
        }
    )


async def _rows(
    request: web.Request, flow: Flow, asked: parsing.Paging
) -> tuple[Sequence[Mapping[str, Any]], int]:
    if not asked.keeps(flow.fullname):
        return (), 0
    page = await reading(request).page(
        flow.tenant, flow.fullname, min(asked.offset, MOST_RUNS), asked.limit
    )
    request[POSITION] = page.position
    return page.rows, page.total


async def _flow(request: web.Request) -> Flow:
    workflow_id = request.match_info["workflowId"]
    tenant = request[PRINCIPAL].tenant
    flow = await reading(request).flow(tenant, SOURCE, "workflowId", workflow_id)
    if flow is None:
        raise UnknownFlow(workflow_id)
    return flow


@docs(
    summary="Execute a workflow",
    description="The execution stands in the list as `READY` before this is answered."
    " A body is ignored.",
)
@match_info_schema(schemas.NaverWorkflowPath)
@headers_schema(schemas.NaverStartHeaders)
@response_schema(schemas.NaverAccepted, 202, description="The execution was accepted")
@response_schema(schemas.NaverError, 422, description="The key was used for another request")
async def execute(request: web.Request) -> web.StreamResponse:
    """Execute a workflow; its execution is in the list before this is answered."""
    flow = await _flow(request)
    command = StartRun(
        tenant=flow.tenant,
        origin=origin(request, SOURCE),
        fullname=flow.fullname,
        idempotency_key=idempotency_key(request),
    )
    outcome = await start(request, command)
    accepted = {
        "workflowId": flow.ids[SOURCE]["workflowId"],
        "triggerId": flow.ids[SOURCE]["triggerId"],
        "status": "ACCEPTED",
    }
    return json_response(accepted, status=202, headers=replayed(outcome))
