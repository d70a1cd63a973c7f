"""Two small dialects to test the pipeline with: a vendor below /acme, and ours for the rest."""

import asyncio

from aiohttp import web
from marshmallow import Schema, fields

from service.access import Right
from service.dialect import Description, Dialect, Route
from service.errors import MethodNotAllowed
from service.http.context import CONTEXT, origin
from service.http.messages import bearer_token, json_response, read_json
from service.http.openapi.decorators import (
    docs,
    headers_schema,
    match_info_schema,
    querystring_schema,
    request_schema,
    response_schema,
)


class AcmeError(Schema):
    vendor = fields.String()
    status = fields.Integer()
    says = fields.String()


class AcmeRunSchema(Schema):
    ended = fields.Integer(allow_none=True, metadata={"description": "Epoch ms."})


class AcmeQuery(Schema):
    page = fields.Integer(metadata={"description": "From 1."})


class AcmePath(Schema):
    id = fields.Integer(required=True)


class AcmeHeaders(Schema):
    key = fields.String(data_key="Idempotency-Key")


class AcmeBody(Schema):
    name = fields.String(required=True)


@docs(description="At length.")
@match_info_schema(AcmePath)
@querystring_schema(AcmeQuery)
@headers_schema(AcmeHeaders)
@response_schema(AcmeRunSchema, 200, description="The run")
@response_schema(AcmeError, 409, description="It runs")
async def read(request: web.Request) -> web.StreamResponse:
    """Show a run.

    More.
    """
    request[CONTEXT].position = 42
    return json_response(
        {"id": request.match_info["id"], "tenant": request[CONTEXT].principal.tenant}
    )


@docs(summary="Start", produces=["application/json", "application/x-ndjson"])
@request_schema(AcmeBody, example={"name": "x"})
@response_schema(AcmeRunSchema, 201)
async def start(request: web.Request) -> web.StreamResponse:
    return json_response(
        {"body": await read_json(request), "actor": origin(request, "acme").actor}, status=201
    )


async def fail(_request: web.Request) -> web.StreamResponse:
    raise FAILURES[0]


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"begun")
    raise FAILURES[0]


async def wait(request: web.Request) -> web.StreamResponse:
    WAITING.append(request)
    await LET_GO.wait()
    return json_response({"waited": True})


async def pause(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(0.02)
    return json_response({"paused": True})


async def ping(_request: web.Request) -> web.StreamResponse:
    return json_response({"pong": True})


WAITING: list[web.Request] = []
"""What the waiting handlers were asked."""

LET_GO = asyncio.Event()
"""What they wait for."""

FAILURES: list[Exception] = []
"""What the failing handlers raise: the first one."""


def small_dialect(name, prefix):
    """Make a dialect below one path, whose error body names it."""

    def claims(path):
        return path.startswith(f"{prefix}/")

    async def authenticate(request, credentials):
        return await credentials.by_token(bearer_token(request))

    def error(request, error):
        if isinstance(error, MethodNotAllowed) and request.method == "OPTIONS":
            return web.Response()
        body = {"vendor": name, "status": error.status, "says": error.detail}
        return json_response(body, status=error.status)

    return Dialect(
        name=name,
        description=Description(
            title=name.title(),
            text=f"What {name} answers.",
            security={f"{name}Bearer": {"type": "http", "scheme": "bearer"}},
            error=AcmeError,
        ),
        routes=(
            Route("GET", f"{prefix}/runs/{{id}}", read),
            Route("POST", f"{prefix}/runs", start, Right.START),
            Route("GET", f"{prefix}/keys/{{id}}", read, Right.ADMINISTER),
            Route("GET", f"{prefix}/fail", fail, None),
            Route("GET", f"{prefix}/stream", stream, None),
            Route("GET", f"{prefix}/ping", ping, None),
            Route("GET", f"{prefix}/wait", wait, None),
            Route("GET", f"{prefix}/pause", pause, None),
            Route("GET", f"{prefix}/old/{{id:\\d{{1,3}}}}", read),
            Route("GET", "/{before:.+}" + f"{prefix}/runs/{{id}}", read),
            Route("DELETE", f"/x{prefix}/runs/{{id}}", read),
        ),
        claims=claims,
        authenticate=authenticate,
        error=error,
        flow_ids=lambda _flow, _fixed: {},
        run_ids=lambda _run: {},
    )
