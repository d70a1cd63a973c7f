"""Handlers of Airflow's operations: parse, query, render."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from projections.documents.flow import Flow
from service.errors import UnknownFlow, UnknownRun
from service.http.context import CONTEXT, query_api
from service.http.messages import json_response
from service.http.openapi.decorators import querystring_schema, response_schema
from tests.dialects.sixth.airflow import parsing, rendering, schemas

SOURCE: Final = "airflow"
MAX_RUNS: Final = 2**31 - 1
"""No ledger holds more runs, so a page beyond is empty."""


@querystring_schema(schemas.AirflowListQuery)
@response_schema(schemas.AirflowDagRuns, description="The page")
async def dag_runs(request: web.Request) -> web.StreamResponse:
    """List the runs of a DAG, newest first."""
    paging = parsing.read_paging(request.query)
    flow = await _flow(request)
    page = await query_api(request).page(
        flow.tenant, flow.fullname, min(paging.offset, MAX_RUNS), paging.limit
    )
    request[CONTEXT].position = page.position
    rows = [rendering.dag_run(row) for row in page.rows]
    return json_response({"dag_runs": rows, "total_entries": page.total})


@response_schema(schemas.AirflowDagRun, description="The DAG run")
async def dag_run(request: web.Request) -> web.StreamResponse:
    """Show a run of a DAG."""
    return json_response(rendering.dag_run(await _run(request)))


@querystring_schema(schemas.AirflowListQuery)
@response_schema(schemas.AirflowTaskInstances, description="The page")
async def task_instances(request: web.Request) -> web.StreamResponse:
    """List the task instances of a DAG run, in the order of the DAG."""
    paging = parsing.read_paging(request.query)
    run = await _run(request)
    rows = run["tasks"][paging.offset : paging.offset + paging.limit]
    rows = [rendering.task_instance(task, run) for task in rows]
    return json_response({"task_instances": rows, "total_entries": len(run["tasks"])})


async def _run(request: web.Request) -> Mapping[str, Any]:
    flow, run_id = await _flow(request), request.match_info["dag_run_id"]
    run = await query_api(request).workflow(flow.tenant, parsing.read_run_id(run_id))
    if run["fullname"] != flow.fullname:
        raise UnknownRun(run_id)
    request[CONTEXT].position = run["position"]
    return run


async def _flow(request: web.Request) -> Flow:
    dag_id = request.match_info["dag_id"]
    tenant = request[CONTEXT].principal.tenant
    flow = await query_api(request).flow(tenant, SOURCE, "dagId", dag_id)
    if flow is None:
        raise UnknownFlow(dag_id)
    return flow
