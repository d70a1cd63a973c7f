"""Handlers of Incorta's calls: parse, ask, render."""

from __future__ import annotations

from aiohttp import web

from service.dialects.incorta import auth, parsing, rendering, schemas
from service.dialects.incorta.errors import PlanBusy, UnknownExecution
from service.dialects.incorta.ids import EXECUTION_IDS
from service.errors import FlowBusy, NotFound, UnknownRun
from service.http import starts
from service.http.decorators import (
    headers_schema,
    match_info_schema,
    querystring_schema,
    request_schema,
    response_schema,
)
from service.http.json import json_response
from service.http.keys import POSITION, SERVICE
from service.http.origins import origin
from service.http.reading import reading
from service.runs.commands import StartRun


@match_info_schema(schemas.IncortaExecutionPath)
@querystring_schema(schemas.IncortaStatusQuery)
@response_schema(schemas.IncortaNode, 200, description="The load plan, down to the level asked")
@response_schema(schemas.IncortaError, 422, description="The level is not 1, 2, 3 or 4")
async def status(request: web.Request) -> web.StreamResponse:
    """Show the status of a load plan's execution, down to a level."""
    tenant = auth.tenant(request)
    execution_id = parsing.execution_id(request)
    level = parsing.level(request)
    unknown = UnknownExecution(request.match_info["executionId"])
    if execution_id not in EXECUTION_IDS:
        raise unknown
    try:
        document = await reading(request).load_plan(tenant, execution_id)
    except UnknownRun as error:
        raise unknown from error
    request[POSITION] = document["run"]["position"]
    return json_response(rendering.tree(document, level))


@headers_schema(schemas.IncortaStartHeaders)
@request_schema(schemas.IncortaExecute)
@response_schema(schemas.IncortaExecution, 200, description="The execution was started")
@response_schema(schemas.IncortaError, 415, description="The body is not JSON")
@response_schema(schemas.IncortaError, 422, description="The key was used otherwise")
async def execute(request: web.Request) -> web.StreamResponse:
    """Execute a load plan, unless an execution of it is still going on."""
    tenant, service = auth.tenant(request), request.app[SERVICE]
    name = await parsing.load_plan_name(request, service.settings.max_body)
    flow = await reading(request).flow(tenant, "incorta", "loadPlanName", name)
    if flow is None:
        raise NotFound(f"The load plan [{name}] cannot be found.")
    command = StartRun(
        tenant=tenant,
        origin=origin(request, "incorta"),
        fullname=flow.fullname,
        exclusive=True,
        idempotency_key=starts.idempotency_key(request),
    )
    try:
        outcome = await starts.start(request, command)
    except FlowBusy as error:
        raise PlanBusy from error
    answer = {"loadPlanExecutionId": outcome.run_number}
    return json_response(answer, headers=starts.replayed(outcome))
