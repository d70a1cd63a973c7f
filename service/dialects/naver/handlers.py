"""Handlers of NAVER's operations on executions: parse, query or submit, render."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

MAX_RUNS: Final = 2**31 - 1
"""No ledger holds more runs, so a page beyond is empty."""

MAX_ROWS: Final = MAX_RUNS * ids.MAX_ROW
"""No ledger holds more rows, if a run has several."""


@docs(
    summary="List a workflow's executions, newest first",
    description="One row per run or, if the flow says so, per job, in the workflow's order."
    " `count` is the number of all rows that match, not of the page.",
)
@match_info_schema(schemas.NaverWorkflowPath)
@querystring_schema(schemas.NaverListQuery)
@response_schema(schemas.NaverExecutions, 200, description="The page")
async def executions(request: web.Request) -> web.StreamResponse:
    """List a workflow's executions, newest first."""
    paging = parsing.read_paging(request.query)
    flow = await _flow(request, "workflowId")
    if not paging.matches(flow.fullname):
        return await _empty_page(request, flow, paging)
    if not is_listed_by_task(await query_api(request).tenant_catalogue(flow.tenant), flow):
        return await _list_runs(request, flow, paging)
    page = await _row_page(request, flow, rows_per_run, paging)
    now_us = query_api(request).now_us
    rows = (row for run in page.runs for row in _rows(run, page.flows, now_us))
    page_rows = list(islice(rows, page.skipped, page.skipped + paging.limit))
    return json_response(rendering.page(page_rows, page.total, paging))


@docs(
    summary="List a job's executions, newest first",
    description="One row per run that the job was part of. `count` is the number of all rows.",
)
@match_info_schema(schemas.NaverJobPath)
@querystring_schema(schemas.NaverPageQuery)
@response_schema(schemas.NaverExecutions, 200, description="The page")
async def job_executions(request: web.Request) -> web.StreamResponse:
    """List a job's executions, newest first."""
    paging = parsing.read_paging(request.query, "")
    job = await _job(request)
    if job.path is None:
        return await _list_runs(request, job.flow, paging)
    page = await _row_page(request, job.flow, job.rows_per_run, paging)
    now_us = query_api(request).now_us
    rows = [_row(run, job.path, page.flows[run["flow_version"]], now_us) for run in page.runs]
    return json_response(rendering.page(rows, page.total, paging))


async def _list_runs(request: web.Request, flow: Flow, paging: parsing.Paging) -> web.Response:
    """Answer with a page of runs, one row each."""
    page = await query_api(request).page(
        flow.tenant, flow.fullname, min(paging.offset, MAX_RUNS), paging.limit
    )
    request[CONTEXT].position = page.position
    condition = rendering.job_condition(flow.timeout_s)
    now_us = query_api(request).now_us
    rows = [rendering.execution(run, condition, now_us) for run in page.rows]
    return json_response(rendering.page(rows, page.total, paging))


async def _empty_page(request: web.Request, flow: Flow, paging: parsing.Paging) -> web.Response:
    """Answer with no rows; a query still gives the answer its position."""
    page = await query_api(request).page(flow.tenant, flow.fullname, 0, 0)
    request[CONTEXT].position = page.position
    return json_response(rendering.page([], 0, paging))


async def _row_page(
    request: web.Request, flow: Flow, rows_per_run: RowsPerRun, paging: parsing.Paging
) -> RowPage:
    page = await query_api(request).row_page(
        flow.tenant,
        flow.fullname,
        rows_per_run,
        offset=min(paging.offset, MAX_ROWS),
        limit=paging.limit,
    )
    request[CONTEXT].position = page.position
    return page


def _rows(run: ListingDocument, flows: Mapping[int, Flow], now_us: int) -> Iterator[dict[str, Any]]:
    """Render all rows of a run, as its version of the flow lists them."""
    flow = flows[run["flow_version"]]
    if not flow.listed_by_task:
        yield rendering.execution(run, rendering.job_condition(flow.timeout_s), now_us)
        return
    for row, task in enumerate(run["task_rows"], 1):
        yield rendering.task_execution(run, task, row, flow, now_us)


def _row(run: ListingDocument, path: str, flow: Flow, now_us: int) -> dict[str, Any]:
    index = flow.plan.step_paths.index(path)
    return rendering.task_execution(run, run["task_rows"][index], index + 1, flow, now_us)


async def _job(request: web.Request) -> Job:
    tenant, job_id = request[CONTEXT].principal.tenant, request.match_info["jobId"]
    queries = query_api(request)
    job = job_of(await queries.tenant_catalogue(tenant), job_id)
    if job is None:
        # This query reads the log too: another process may just have registered the flow.
        await queries.flow(tenant, SOURCE, "jobId", job_id)
        job = job_of(await queries.tenant_catalogue(tenant), job_id)
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
    description="The list shows the execution before this is answered. A body is ignored.",
)
@match_info_schema(schemas.NaverWorkflowPath)
@headers_schema(schemas.NaverStartHeaders)
@response_schema(schemas.NaverAccepted, 202, description="The execution was accepted")
@response_schema(
    schemas.NaverError, 422, description="This Idempotency-Key belongs to a different request"
)
async def execute(request: web.Request) -> web.StreamResponse:
    """Execute a workflow; the list shows the execution before this is answered."""
    flow = await _flow(request, "workflowId")
    outcome = await submit(request, _start_command(request, flow, {}))
    accepted = {
        "workflowId": flow.ids[SOURCE]["workflowId"],
        "triggerId": flow.ids[SOURCE]["triggerId"],
        "status": "ACCEPTED",
    }
    return json_response(accepted, status=202, headers=replay_header(outcome))


@docs(
    summary="Execute a job",
    description="Starts its workflow with `parameters` as the payload. The list shows the execution"
    " before this is answered. `jobCondition` is ignored.",
)
@match_info_schema(schemas.NaverJobPath)
@querystring_schema(schemas.NaverJobStartQuery)
@headers_schema(schemas.NaverStartHeaders)
@request_schema(schemas.NaverJobStart, required=False)
@response_schema(schemas.NaverJobStarted, 200, description="The execution")
@response_schema(
    schemas.NaverError, 422, description="This Idempotency-Key belongs to a different request"
)
async def execute_job(request: web.Request) -> web.StreamResponse:
    """Execute a job; the list shows the execution before this is answered."""
    job = await _job(request)
    if job.path is not None:
        raise BadState(f"{job.name} runs only with its workflow: execute {job.flow.fullname}")
    flow = job.flow
    for name in ("workflowId", "triggerId"):
        if request.query.get(name) not in (None, "", flow.ids[SOURCE][name]):
            raise BadRequest(f"{name} is not of this job", field=name)
    command = _start_command(request, flow, await parsing.read_parameters(request))
    outcome = await submit(request, command)
    run = await query_api(request).execution_by_number(flow.tenant, outcome.run_number)
    return json_response(rendering.started(run, flow), headers=replay_header(outcome))


def _start_command(request: web.Request, flow: Flow, payload: Mapping[str, Any]) -> StartRun:
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
    run, execution = await _find_execution(request)
    request[CONTEXT].position = run["position"]
    return json_response(execution)


async def _find_execution(request: web.Request) -> tuple[RunDocument, Mapping[str, Any]]:
    """Find a job's execution: the run, and the rendered execution."""
    job = await _job(request)
    execution_id = request.match_info["executionId"]
    named = ids.execution(execution_id)
    if named is None:
        raise UnknownRun(execution_id)
    queries = query_api(request)
    run = await queries.execution_by_number(job.flow.tenant, named.run_number)
    if run["fullname"] != job.flow.fullname:
        raise UnknownRun(execution_id)
    if job.path is None and named.row == 0:
        condition = rendering.job_condition(job.flow.timeout_s)
        return run, rendering.execution(run, condition, queries.now_us)
    flow = await queries.flow_version(run["tenant"], run["fullname"], run["flow_version"])
    if job.path is None or not job.rows_per_run(flow) or row_of(flow, job.path) != named.row:
        raise UnknownRun(execution_id)
    workflow = await queries.workflow(run["tenant"], run["run_id"])
    task = workflow["tasks"][named.row - 1]
    return workflow, rendering.task_execution(workflow, task, named.row, flow, queries.now_us)


@docs(
    summary="Cancel a job's execution",
    description="Answers with the bare `true`. Running tasks may take a moment to stop, and show"
    " `RUNNING` until then. A run is cancelled as a whole, with all its jobs. An execution that has"
    " ended is a 400 `bad-state`. A body is ignored.",
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
    run, execution = await _find_execution(request)
    if run["status"] not in RUN_ENDED and execution["status"] in ENDED:
        raise BadState("the job has ended, and its workflow goes on")
    await submit(request, CancelRun(run["tenant"], origin(request, SOURCE), run["run_id"]))
    return json_response(value=True)
