"""What it costs a request to be measured: the middleware alone, beside a whole request."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from prometheus_client import CollectorRegistry

from service.http.middleware import Served
from service.metrics.requests import Requests
from tests.acceptance.ledger import Client, Ledger
from tests.benchmarks.load import measure, request
from tests.benchmarks.test_http import best

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(300)]
CALLS = 200_000
ROUNDS = 3


class Named:
    name = "api"


async def answer(_request: web.Request) -> web.Response:
    return ANSWER


ANSWER = web.Response(body=b"{}")


async def seconds_a_call(handler) -> float:
    route = web.Application().router.add_get("/v1/runs/{run_id}", answer)
    asked = make_mocked_request("GET", "/v1/runs/1")
    asked._match_info = type("MatchInfo", (), {"route": route})()
    measured = Requests(CollectorRegistry()).around({route: Served(Named(), None)})
    call = handler(measured)
    began = time.perf_counter()
    for _ in range(CALLS):
        await call(asked)
    return (time.perf_counter() - began) / CALLS


async def test_what_a_measured_request_costs(database_url: str, tmp_path: Path) -> None:
    bare = min([await seconds_a_call(lambda _: answer) for _ in range(ROUNDS)])
    wrapped = min([await seconds_a_call(lambda m: lambda r: m(r, answer)) for _ in range(ROUNDS)])
    ledger = Ledger(database_url, tmp_path)
    ledger.set_up()
    try:
        process = await ledger.serve()
        async with Client(ledger, process) as client:
            run = await client.start("example.EXTERNAL")
            read = request("GET", f"/v1/runs/{run['run_id']}", headers=client.bearer)
        rounds = [
            await measure(process.port, read, connections=64, seconds=3) for _ in range(ROUNDS)
        ]
    finally:
        ledger.close()
    whole = 1 / best(rounds).per_s
    print(f"\na measured request, best of {ROUNDS} rounds of {CALLS} calls")
    print(f"  middleware {(wrapped - bare) * 1e6:8.2f} us")
    print(f"  GET a run  {whole * 1e6:8.2f} us, 64 connections")
    print(f"  ratio      {(wrapped - bare) / whole:8.4f}")
