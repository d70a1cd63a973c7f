"""What it costs a request to be measured: that alone, beside a whole request."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from service.metrics.requests import RequestMetrics, RouteTimer
from tests.acceptance.ledger import Client, Ledger
from tests.benchmarks.load import measure, request
from tests.benchmarks.test_http import best

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(300)]
CALLS = 200_000
ROUNDS = 3


def seconds_a_call(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - began) / CALLS


async def test_what_a_measured_request_costs(database_url: str, tmp_path: Path) -> None:
    timer = RouteTimer(RequestMetrics(CollectorRegistry()), ("api", "GET", "/v1/runs/{run_id}"))
    measured = min(seconds_a_call(lambda: timer.finish(timer.start(), 200)) for _ in range(ROUNDS))
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
    print(f"  measuring  {measured * 1e6:8.2f} us")
    print(f"  GET a run  {whole * 1e6:8.2f} us, 64 connections")
    print(f"  ratio      {measured / whole:8.4f}")
