"""What NAVER's operations on executions do: parse, ask, render."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from aiohttp import web

from projections.documents.flow import Flow
from projections.documents.lifecycle import RUN_ENDED
from projections.documents.run import RunDocument
from projections.documents.task import ListingDocument
from service.dialects.naver import ids, parsing, rendering, schemas
from service.dialects.naver.errors import BadState
from service.dialects.naver.jobs import SOURCE, Job, is_listed_by_task, job_of, row_of, rows_per_run
from service.dialects.naver.statuses import ENDED
from service.errors import BadRequest, UnknownFlow, UnknownRun
from service.http.context import CONTEXT, origin, query_api, submit
from service.http.messages import json_response, read_idempotency_key, replay_header
from service.http.openapi.decorators import (
    docs,
    headers_schema,
    match_info_schema,
    querystring_schema,
    request_schema,
    response_schema,
)
from service.runs.domain.commands import CancelRun, StartRun
from service.runs.read.query_api import RowPage, RowsPerRun

MOST_RUNS: Final = 2**31 - 1
"""No ledger holds more runs: a page that begins beyond is as empty as one right behind them."""

MOST_ROWS: Final = MOST_RUNS * ids.MAX_ROW
"""Nor more rows, where a run has several."""


@docs(
    summary="List a workflow's executions, newest first",
    description="One row a run, or, where the flow says so, one for each of its jobs, in the"
    " workflow's order. `count` is of all rows that match, not of the page.",
)
@match_info_schema(schemas.NaverWorkflowPath)
@querystring_schema(schemas.NaverListQuery)
@response_schema(schemas.NaverExecutions, 200, description="The page")
async def executions(request: web.Request) -> web.StreamResponse:
    """List a workflow's executions, newest first."""
    asked = parsing.paging(request.query)
    flow = await _flow(request, "workflowId")
    if not asked.keeps(flow.fullname):
        return await _none(request, flow, asked)
    if not is_listed_by_task(await query_api(request).tenant_catalogue(flow.tenant), flow):
        return await _whole(request, flow, asked)
    page = await _row_page(request, flow, rows_per_run, asked)
    now_us = query_api(request).now_us
    rows = (row for run in page.runs for row in _rows(run, page.flows, now_us))
    return _listed(list(islice(rows, page.skipped, page.skipped + asked.limit)), page.total, asked)


@docs(
    summary="List a job's executions, newest first",
    description="One row a run that the job was part of. `count` is of all, not of the page.",
)
@match_info_schema(schemas.NaverJobPath)
@querystring_schema(schemas.NaverPageQuery)
@response_schema(schemas.NaverExecutions, 200, description="The page")
async def job_executions(request: web.Request) -> web.StreamResponse:
    """List a job's executions, newest first."""
    asked = parsing.paging(request.query, "")
    job = await _job(request)
    if job.path is None:
        return await _whole(request, job.flow, asked)
    page = await _row_page(request, job.flow, job.rows_per_run, asked)
    now_us = query_api(request).now_us
    rows = [_row(run, job.path, page.flows[run["flow_version"]], now_us) for run in page.runs]
    return _listed(rows, page.total, asked)


async def _whole(request: web.Request, flow: Flow, asked: parsing.Paging) -> web.Response:
    """List each run as one row."""
    page = await query_api(request).page(
        flow.tenant, flow.fullname, min(asked.offset, MOST_RUNS), asked.limit
    )
    request[CONTEXT].position = page.position
    condition = rendering.job_condition(flow.timeout_s)
    now_us = query_api(request).now_us
    rows = [rendering.execution(run, condition, now_us) for run in page.rows]
    return _listed(rows, page.total, asked)


async def _none(request: web.Request, flow: Flow, asked: parsing.Paging) -> web.Response:
    """List nothing; the answer has its position all the same."""
    page = await query_api(request).page(flow.tenant, flow.fullname, 0, 0)
    request[CONTEXT].position = page.position
    return _listed([], 0, asked)


async def _row_page(
    request: web.Request, flow: Flow, rows_per_run: RowsPerRun, asked: parsing.Paging
) -> RowPage:
    page = await query_api(request).row_page(
        flow.tenant,
        flow.fullname,
        rows_per_run,
        offset=min(asked.offset, MOST_ROWS),
        limit=asked.limit,
    )
    request[CONTEXT].position = page.position
    return page


def _rows(run: ListingDocument, flows: Mapping[int, Flow], now_us: int) -> Iterator[dict[str, Any]]:
    """Show all rows of a run, as its own version of the flow has them listed."""
    flow = flows[run["flow_version"]]
    if not flow.listed_by_task:
        yield rendering.execution(run, rendering.job_condition(flow.timeout_s), now_us)
        return
    for row, task in enumerate(run["task_rows"], 1):
        yield rendering.task_execution(run, task, row, flow, now_us)


def _row(run: ListingDocument, path: str, flow: Flow, now_us: int) -> dict[str, Any]:
    index = flow.plan.step_paths.index(path)
    return rendering.task_execution(run, run["task_rows"][index], index + 1, flow, now_us)


def _listed(rows: Sequence[Mapping[str, Any]], count: int, asked: parsing.Paging) -> web.Response:
    return json_response({"list": rows, "count": count, "page": asked.page, "limit": asked.limit})


async def _job(request: web.Request) -> Job:
    tenant, job_id = request[CONTEXT].principal.tenant, request.match_info["jobId"]
    read = query_api(request)
    job = job_of(await read.tenant_catalogue(tenant), job_id)
    if job is None:
        # Looks in the log too: another process may just have registered the flow.
        await read.flow(tenant, SOURCE, "jobId", job_id)
        job = job_of(await read.tenant_catalogue(tenant), job_id)
    if job is None:
        raise UnknownFlow(job_id)
    return job


async def _flow(request: web.Request, kind: str) -> Flow:
    value = request.match_info[kind]
    flow = await query_api(request).flow(request[CONTEXT].principal.tenant, SOURCE, kind, value)
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
    outcome = await submit(request, _start_of(request, flow, {}))
    accepted = {
        "workflowId": flow.ids[SOURCE]["workflowId"],
        "triggerId": flow.ids[SOURCE]["triggerId"],
        "status": "ACCEPTED",
    }
    return json_response(accepted, status=202, headers=replay_header(outcome))


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
    job = await _job(request)
    if job.path is not None:
        raise BadState(f"{job.name} runs only with its workflow: execute {job.flow.fullname}")
    flow = job.flow
    for name in ("workflowId", "triggerId"):
        if request.query.get(name) not in (None, "", flow.ids[SOURCE][name]):
            raise BadRequest(f"{name} is not of this job", field=name)
    command = _start_of(request, flow, await parsing.parameters(request))
    outcome = await submit(request, command)
    run = await query_api(request).execution_by_number(flow.tenant, outcome.run_number)
    return json_response(rendering.started(run, flow), headers=replay_header(outcome))


def _start_of(request: web.Request, flow: Flow, payload: Mapping[str, Any]) -> StartRun:
    return StartRun(
        tenant=flow.tenant,
        origin=origin(request, SOURCE),
        fullname=flow.fullname,
        payload=payload,
        idempotency_key=read_idempotency_key(request),
    )


@docs(summary="Show a job's execution")
@match_info_schema(schemas.NaverExecutionPath)
@response_schema(schemas.NaverExecution, 200, description="The execution")
async def job_execution(request: web.Request) -> web.StreamResponse:
    """Show a job's execution."""
    run, shown = await _execution(request)
    request[CONTEXT].position = run["position"]
    return json_response(shown)


async def _execution(request: web.Request) -> tuple[RunDocument, Mapping[str, Any]]:
    """Find a job's execution: the run, and how the execution is shown."""
    job = await _job(request)
    execution_id = request.match_info["executionId"]
    asked = ids.execution(execution_id)
    if asked is None:
        raise UnknownRun(execution_id)
    read = query_api(request)
    run = await read.execution_by_number(job.flow.tenant, asked.run_number)
    if run["fullname"] != job.flow.fullname:
        raise UnknownRun(execution_id)
    if job.path is None and asked.row == 0:
        condition = rendering.job_condition(job.flow.timeout_s)
        return run, rendering.execution(run, condition, read.now_us)
    flow = await read.flow_version(run["tenant"], run["fullname"], run["flow_version"])
    if job.path is None or not job.rows_per_run(flow) or row_of(flow, job.path) != asked.row:
        raise UnknownRun(execution_id)
    workflow = await read.workflow(run["tenant"], run["run_id"])
    task = workflow["tasks"][asked.row - 1]
    return workflow, rendering.task_execution(workflow, task, asked.row, flow, read.now_us)


@docs(
    summary="Cancel a job's execution",
    description="The answer is the bare `true`. What runs may take a moment to stop: `RUNNING`"
    " until then. A run is cancelled as a whole, with all its jobs. An execution that has ended is"
    " a 400 `bad-state`. A body is ignored.",
    responses={
        "200": {
            "description": "It is being cancelled",
            "content": {"application/json": {"schema": {"type": "boolean", "const": True}}},
        }
    },
)
@match_info_schema(schemas.NaverExecutionPath)
async def cancel(request: web.Request) -> web.StreamResponse:
    """Cancel a job's execution, and the run that it is part of."""
    run, shown = await _execution(request)
    if run["status"] not in RUN_ENDED and shown["status"] in ENDED:
        raise BadState("the job has ended, and its workflow goes on")
    await submit(request, CancelRun(run["tenant"], origin(request, SOURCE), run["run_id"]))
    return json_response(value=True)
