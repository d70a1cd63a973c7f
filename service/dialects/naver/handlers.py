"""What NAVER's operations on executions do: parse, ask, render."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from projections.flow import Flow
from service.dialects.naver import ids, parsing, rendering, schemas
from service.dialects.naver.jobs import SOURCE
from service.errors import BadRequest, UnknownFlow, UnknownRun
from service.http.decorators import (
    docs,
    headers_schema,
    match_info_schema,
    querystring_schema,
    request_schema,
    response_schema,
)
from service.http.json import json_response
from service.http.keys import POSITION, PRINCIPAL, SERVICE
from service.http.origins import origin
from service.http.reading import reading
from service.http.starts import idempotency_key, replayed, start
from service.runs.commands import CancelRun, StartRun

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
    flow = await _flow(request, "workflowId")
    return await _executions(request, flow, asked)


@docs(
    summary="List a job's executions, newest first",
    description="The rows of its workflow's list. `count` is of all, not of the page.",
)
@match_info_schema(schemas.NaverJobPath)
@querystring_schema(schemas.NaverPageQuery)
@response_schema(schemas.NaverExecutions, 200, description="The page")
async def job_executions(request: web.Request) -> web.StreamResponse:
    """List a job's executions, newest first."""
    asked = parsing.paging(request.query, "")
    flow = await _flow(request, "jobId")
    return await _executions(request, flow, asked)


async def _executions(
    request: web.Request, flow: Flow, asked: parsing.Paging
) -> web.StreamResponse:
    rows, count = await _rows(request, flow, asked)
    condition = rendering.job_condition(flow.timeout_s)
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
    limit = asked.limit if asked.keeps(flow.fullname) else 0
    page = await reading(request).page(
        flow.tenant, flow.fullname, min(asked.offset, MOST_RUNS), limit
    )
    request[POSITION] = page.position
    return page.rows, page.total if asked.keeps(flow.fullname) else 0


async def _flow(request: web.Request, kind: str) -> Flow:
    value = request.match_info[kind]
    flow = await reading(request).flow(request[PRINCIPAL].tenant, SOURCE, kind, value)
    if flow is None:
        raise UnknownFlow(value)
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
    flow = await _flow(request, "workflowId")
    outcome = await start(request, _start_of(request, flow, {}))
    accepted = {
        "workflowId": flow.ids[SOURCE]["workflowId"],
        "triggerId": flow.ids[SOURCE]["triggerId"],
        "status": "ACCEPTED",
    }
    return json_response(accepted, status=202, headers=replayed(outcome))


@docs(
    summary="Execute a job",
    description="Starts its workflow with `parameters` as the payload. The execution stands in the"
    " list as `READY` before this is answered. What `jobCondition` asks for is ignored.",
)
@match_info_schema(schemas.NaverJobPath)
@querystring_schema(schemas.NaverJobStartQuery)
@headers_schema(schemas.NaverStartHeaders)
@request_schema(schemas.NaverJobStart, required=False)
@response_schema(schemas.NaverJobStarted, 200, description="The execution")
@response_schema(schemas.NaverError, 422, description="The key was used for another request")
async def execute_job(request: web.Request) -> web.StreamResponse:
    """Execute a job; its execution is in the list before this is answered."""
    flow = await _flow(request, "jobId")
    for name in ("workflowId", "triggerId"):
        if request.query.get(name) not in (None, "", flow.ids[SOURCE][name]):
            raise BadRequest(f"{name} is not of this job", field=name)
    command = _start_of(request, flow, await parsing.parameters(request))
    outcome = await start(request, command)
    run = await reading(request).execution_by_number(flow.tenant, outcome.run_number)
    return json_response(rendering.started(run, flow), headers=replayed(outcome))


def _start_of(request: web.Request, flow: Flow, payload: Mapping[str, Any]) -> StartRun:
    return StartRun(
        tenant=flow.tenant,
        origin=origin(request, SOURCE),
        fullname=flow.fullname,
        payload=payload,
        idempotency_key=idempotency_key(request),
    )


@docs(summary="Show a job's execution")
@match_info_schema(schemas.NaverExecutionPath)
@response_schema(schemas.NaverExecution, 200, description="The execution")
async def job_execution(request: web.Request) -> web.StreamResponse:
    """Show a job's execution."""
    flow = await _flow(request, "jobId")
    run = await _run(request, flow)
    request[POSITION] = run["position"]
    now_us = reading(request).now_us
    return json_response(rendering.execution(run, rendering.job_condition(flow.timeout_s), now_us))


async def _run(request: web.Request, flow: Flow) -> Mapping[str, Any]:
    execution_id = request.match_info["executionId"]
    number = ids.run_number(execution_id)
    if number is None:
        raise UnknownRun(execution_id)
    run = await reading(request).execution_by_number(flow.tenant, number)
    if run["fullname"] != flow.fullname:
        raise UnknownRun(execution_id)
    return run


@docs(
    summary="Cancel a job's execution",
    description="The answer is the bare `true`. What runs may take a moment to stop: `RUNNING`"
    " until then. An execution that has ended is a 400 `bad-state`. A body is ignored.",
    responses={
        "200": {
            "description": "It is being cancelled",
            "content": {"application/json": {"schema": {"type": "boolean", "const": True}}},
        }
    },
)
@match_info_schema(schemas.NaverExecutionPath)
async def cancel(request: web.Request) -> web.StreamResponse:
    """Cancel a job's execution."""
    flow = await _flow(request, "jobId")
    run = await _run(request, flow)
    service = request.app[SERVICE]
    command = CancelRun(flow.tenant, origin(request, SOURCE), run["run_id"])
    outcome = await service.writer.submit(command)
    await service.queries.visible(outcome.position)
    request[POSITION] = outcome.position
    return json_response(value=True)
