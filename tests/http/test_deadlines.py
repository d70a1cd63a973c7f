"""Deadlines: a request that gets no answer is ended in the API's words, and only such a one."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from prometheus_client import CollectorRegistry

from service.dialect import Route
from service.http.context import CONTEXT
from service.http.messages import json_response, read_json
from service.http.pipeline import MARGIN_S
from service.http.server import web_application
from service.metrics.requests import RequestMetrics
from service.settings import Settings
from tests.http import dialects
from tests.kit.http_server import BoundedTestServer

BOUND_S = 1.0


async def never(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return json_response({})


async def later(request: web.Request) -> web.StreamResponse:
    request[CONTEXT].waits_for_run = True
    await asyncio.sleep(3 * BOUND_S)
    return json_response({"ended": True})


async def echo(request: web.Request) -> web.StreamResponse:
    return json_response(await read_json(request, 1000))


@pytest.fixture
async def slow(credentials):
    """A client of a server whose requests may take a second."""
    vendor = dialects.small_dialect("acme", "/acme")
    routes = (
        *vendor.routes,
        Route("GET", "/acme/never", never, None),
        Route("GET", "/acme/later", later, None),
        Route("POST", "/acme/echo", echo, None),
    )
    application = web_application(
        credentials,
        vendors=[dataclasses.replace(vendor, routes=routes)],
        own=dialects.small_dialect("own", "/own"),
        settings=Settings(database_timeout_s=BOUND_S - MARGIN_S),
        metrics=RequestMetrics(CollectorRegistry()),
    )
    async with TestClient(BoundedTestServer(application)) as client:
        yield client


async def test_requests_without_an_answer_are_503_in_the_vendors_words(slow):
    async with asyncio.timeout(10 * BOUND_S):
        answers = await asyncio.gather(*(slow.get("/acme/never") for _ in range(20)))
    bodies = [await answer.json() for answer in answers]
    assert {answer.status for answer in answers} == {503}
    assert all(answer.headers["Retry-After"] for answer in answers)
    assert {body["vendor"] for body in bodies} == {"acme"}


async def test_connection_of_an_ended_request_serves_the_next_one(slow, bearer):
    assert (await slow.get("/acme/never")).status == 503
    assert (await slow.get("/acme/runs/7", headers=bearer)).status == 200


async def test_answer_that_waits_for_a_run_takes_as_long_as_it_takes(slow):
    assert (await slow.get("/acme/later")).status == 200


async def test_time_in_which_the_client_sends_does_not_count(slow):
    async def body():
        yield b'{"a":'
        await asyncio.sleep(3 * BOUND_S)
        yield b"1}"

    answer = await slow.post(
        "/acme/echo", data=body(), headers={"Content-Type": "application/json"}
    )
    assert (answer.status, await answer.json()) == (200, {"a": 1})
