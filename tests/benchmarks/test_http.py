"""HTTP against the limit: ratios to a bare aiohttp server in the same run. `make bench`.

The goals, and what was reached: docs/reference/performance.md.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.acceptance.ledger import Client, Ledger, free_port
from tests.benchmarks.load import Measured, measure, request

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]
ROUNDS = 3
SECONDS = 4.0
BODY = json.dumps({"flow": "example.EXTERNAL", "payload": {"n": 1}}).encode()


def start_bare(port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(Path(__file__).parent / "bare.py"), str(port)])


@pytest.fixture
async def bare() -> AsyncIterator[int]:
    port = free_port()
    server = start_bare(port)
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                break
    yield port
    server.terminate()
    server.wait()


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(database_url, tmp_path)
    ledger.set_up()
    yield ledger
    ledger.close()


def best(rounds: list[Measured]) -> Measured:
    return sorted(rounds, key=lambda measured: measured.per_s)[len(rounds) // 2]


async def compare(
    title: str, ours: tuple[int, bytes], limit: tuple[int, bytes], connections: int
) -> None:
    mine, bares = [], []
    for _ in range(ROUNDS):
        bares.append(await measure(*limit, connections=connections, seconds=SECONDS))
        mine.append(await measure(*ours, connections=connections, seconds=SECONDS))
    print(f"\n{title}, {connections} connections, median of {ROUNDS} rounds")
    print(f"  flowledger {best(mine)}")
    print(f"  bare       {best(bares)}")
    print(f"  ratio      {best(mine).per_s / best(bares).per_s:9.3f}")


@pytest.mark.parametrize("connections", [1, 64, 256])
async def test_durable_start_answered_when_visible(
    ledger: Ledger, bare: int, connections: int
) -> None:
    process = await ledger.serve()
    async with Client(ledger, process) as client:
        ours = request("POST", "/v1/runs", headers=client.bearer, body=BODY)
    limit = request("POST", "/runs", body=BODY)
    await compare("start", (process.port, ours), (bare, limit), connections)


@pytest.mark.parametrize("connections", [1, 64, 256])
async def test_status_read(ledger: Ledger, bare: int, connections: int) -> None:
    process = await ledger.serve()
    async with Client(ledger, process) as client:
        run = await client.start("example.EXTERNAL")
        ids = run["vendor_ids"]["etlworks"]
        headers = client.bearer
    for path in (
        f"/v1/runs/{run['run_id']}",
        f"/rest/v1/executions/{ids['flowId']}?auditId={ids['auditId']}",
    ):
        ours = request("GET", path, headers=headers)
        limit = request("GET", "/runs/1")
        await compare(f"read {path[:20]}", (process.port, ours), (bare, limit), connections)


async def test_a_deep_page_costs_what_page_one_costs(ledger: Ledger, bare: int) -> None:
    process = await ledger.serve()
    async with Client(ledger, process) as client:
        start = request("POST", "/v1/runs", headers=client.bearer, body=BODY)
        basic = client.basic
        count = 0
        while count < 100_000:
            count += len((await measure(process.port, start, connections=256, seconds=5)).latencies)
    pages = {
        page: request(
            "GET",
            f"/api/workflows?per_page=50&page={page}",
            headers=basic,
        )
        for page in (1, 2000)
    }
    taken: dict[int, list[Measured]] = {1: [], 2000: []}
    for _ in range(ROUNDS):
        for page, sent in pages.items():
            taken[page].append(await measure(process.port, sent, connections=8, seconds=SECONDS))
    print(f"\nlist of 50 among {count} runs, 8 connections")
    for page, rounds in taken.items():
        print(f"  page {page:5} {best(rounds)}")
    print(
        f"  ratio      {best(taken[1]).per_s / best(taken[2000]).per_s:9.3f} (page 1 to page 2000)"
    )
