"""Two small dialects to try the front door with: a vendor below /acme, and ours for the rest."""

import asyncio

from aiohttp import web
from marshmallow import Schema, fields

from service.access import Right
from service.auth.extract import bearer
from service.dialect import Description, Route
from service.errors import MethodNotAllowed
from service.http.context import CONTEXT, origin
from service.http.messages import json_response, read_json
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


async def ping(_request: web.Request) -> web.StreamResponse:
    return json_response({"pong": True})


WAITING: list[web.Request] = []
"""What the waiting handlers were asked."""

LET_GO = asyncio.Event()
"""What they wait for."""

FAILURES: list[Exception] = []
"""What the failing handlers raise: the first one."""


class Small:
    """A dialect below one path, whose error body names it."""

    def __init__(self, name: str, prefix: str) -> None:
        self.name = name
        self.prefix = prefix
        self.description = Description(
            title=name.title(),
            text=f"What {name} answers.",
            security={f"{name}Bearer": {"type": "http", "scheme": "bearer"}},
            error=AcmeError,
        )

    def routes(self):
        return (
            Route("GET", f"{self.prefix}/runs/{{id}}", read),
            Route("POST", f"{self.prefix}/runs", start, Right.START),
            Route("GET", f"{self.prefix}/keys/{{id}}", read, Right.ADMINISTER),
            Route("GET", f"{self.prefix}/fail", fail, None),
            Route("GET", f"{self.prefix}/stream", stream, None),
            Route("GET", f"{self.prefix}/ping", ping, None),
            Route("GET", f"{self.prefix}/wait", wait, None),
            Route("GET", f"{self.prefix}/old/{{id:\\d{{1,3}}}}", read),
            Route("GET", "/{before:.+}" + f"{self.prefix}/runs/{{id}}", read),
            Route("DELETE", f"/x{self.prefix}/runs/{{id}}", read),
        )

    def claims(self, path):
        return path.startswith(f"{self.prefix}/")

    async def authenticate(self, request, credentials):
        return await credentials.by_token(bearer(request))

    def error(self, request, error):
        if isinstance(error, MethodNotAllowed) and request.method == "OPTIONS":
            return web.Response()
        body = {"vendor": self.name, "status": error.status, "says": error.detail}
        return json_response(body, status=error.status)

    def flow_ids(self, _flow, _fixed):
        return {}

    def run_ids(self, _run):
        return {}
