"""Handlers of Incorta's operations: parse, query or submit, render."""

from __future__ import annotations

from aiohttp import web

from projections.documents.flow import Flow
from projections.documents.run import ExecutionDocument
from service.dialects.incorta import parsing, rendering, schemas
from service.dialects.incorta.errors import (
    InvalidGroup,
    NothingToRestart,
    PlanBusy,
    UnknownExecution,
)
from service.dialects.incorta.ids import EXECUTION_IDS
from service.errors import (
    FlowBusy,
    NotFound,
    NotRetryable,
    RunNotFinished,
    UnknownGroup,
    UnknownRun,
)
from service.http.context import CONTEXT, origin, query_api, submit
from service.http.messages import (
    cached_response,
    json_response,
    read_idempotency_key,
    replay_header,
)
from service.http.openapi.decorators import (
    headers_schema,
    match_info_schema,
    querystring_schema,
    request_schema,
    response_schema,
)
from service.runs.domain.commands import RetryRun, StartRun
from service.runtime import SERVICE


@match_info_schema(schemas.IncortaExecutionPath)
@querystring_schema(schemas.IncortaStatusQuery)
@response_schema(schemas.IncortaNode, 200, description="The load plan, down to the requested level")
@response_schema(schemas.IncortaError, 422, description="The level is not 1, 2, 3 or 4")
async def status(request: web.Request) -> web.StreamResponse:
    """Show the status of a load plan's execution, down to a level."""
    tenant = request[CONTEXT].principal.tenant
    execution_id = parsing.read_execution_id(request)
    level = parsing.read_level(request)
    unknown = UnknownExecution(request.match_info["executionId"])
    if execution_id not in EXECUTION_IDS:
        raise unknown
    try:
        document = await query_api(request).load_plan(tenant, execution_id)
    except UnknownRun as error:
        raise unknown from error
    request[CONTEXT].position = document["run"]["position"]
    return cached_response(rendering.tree, document, level)


@headers_schema(schemas.IncortaStartHeaders)
@request_schema(schemas.IncortaExecute)
@response_schema(schemas.IncortaExecution, 200, description="The execution was started")
@response_schema(schemas.IncortaError, 415, description="The body is not JSON")
@response_schema(
    schemas.IncortaError, 422, description="This Idempotency-Key belongs to a different request"
)
async def execute(request: web.Request) -> web.StreamResponse:
    """Execute a load plan, unless an execution of it is in progress."""
    tenant, service = request[CONTEXT].principal.tenant, request.app[SERVICE]
    name = await parsing.read_load_plan_name(request, service.settings.max_body)
    flow = await _flow(request, tenant, name)
    command = StartRun(
        tenant=tenant,
        origin=origin(request, "incorta"),
        fullname=flow.fullname,
        exclusive=True,
        idempotency_key=read_idempotency_key(request),
    )
    return await _start(request, command)


@headers_schema(schemas.IncortaStartHeaders)
@request_schema(schemas.IncortaRestart)
@response_schema(schemas.IncortaExecution, 200, description="A new execution was started")
@response_schema(schemas.IncortaError, 415, description="The body is not JSON")
@response_schema(
    schemas.IncortaError,
    422,
    description="No such group, or this Idempotency-Key belongs to a different request",
)
async def restart(request: web.Request) -> web.StreamResponse:
    """Execute a load plan again: from the start, from a group on, or only what failed."""
    tenant, service = request[CONTEXT].principal.tenant, request.app[SERVICE]
    restart = await parsing.read_restart(request, service.settings.max_body)
    flow = await _flow(request, tenant, restart.name)
    earlier = await _find_earlier(request, flow, restart.execution)
    command = RetryRun(
        tenant=tenant,
        origin=origin(request, "incorta"),
        run_id=earlier["run_id"],
        scope=restart.scope,
        exclusive=True,
        # A restart becomes the latest execution itself; its repetition must still be recognised.
        requested_id="" if restart.execution is not None else f"latest of {flow.fullname}",
        idempotency_key=read_idempotency_key(request),
    )
    return await _start(request, command)


async def _flow(request: web.Request, tenant: str, name: str) -> Flow:
    flow = await query_api(request).flow(tenant, "incorta", "loadPlanName", name)
    if flow is None:
        raise NotFound(f"The load plan [{name}] cannot be found.")
    return flow


async def _find_earlier(
    request: web.Request, flow: Flow, execution: int | None
) -> ExecutionDocument:
    queries = request.app[SERVICE].queries
    if execution is None:
        try:
            latest = await queries.latest_execution(flow.tenant, flow.number)
        except UnknownRun as error:
            name = flow.ids["incorta"]["loadPlanName"]
            raise NotFound(f"The load plan [{name}] has no execution to restart.") from error
        return latest
    unknown = UnknownExecution(str(execution))
    if execution not in EXECUTION_IDS:
        raise unknown
    try:
        run = await queries.execution_by_number(flow.tenant, execution)
    except UnknownRun as error:
        raise unknown from error
    if run["fullname"] != flow.fullname:
        raise unknown
    return run


async def _start(request: web.Request, command: StartRun | RetryRun) -> web.Response:
    try:
        outcome = await submit(request, command)
    except (FlowBusy, RunNotFinished) as error:
        raise PlanBusy from error
    except UnknownGroup as error:
        raise InvalidGroup(error.group, error.groups) from error
    except NotRetryable as error:
        raise NothingToRestart(error.detail) from error
    answer = {"loadPlanExecutionId": outcome.run_number}
    return json_response(answer, headers=replay_header(outcome))
