"""Flowledger over HTTP: one `flowledger serve`, as it is started by default."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path

from tests.acceptance.ledger import Client, Ledger
from tests.benchmarks import filling
from tests.benchmarks.load import request
from tests.benchmarks.serving.subject import DEEP, PAYLOAD, PER_PAGE, Sent, Subject, always
from tests.benchmarks.stage import ledger as new_ledger

NAME = "flowledger"
FLOW = "example.EXTERNAL"
START = json.dumps({"flow": FLOW, "payload": PAYLOAD}).encode()
AT_ONCE = 64
MANY = 1_000
"""Runs that are read in turn where one read after another is of another run."""


@asynccontextmanager
async def serving(admin: str, folder: Path, filled: int) -> AsyncIterator[Subject]:
    url = await filling.ours(admin, filled) if filled else await new_ledger(admin, "ours")
    async with on(url, folder) as subject:
        yield subject


@asynccontextmanager
async def on(url: str, folder: Path) -> AsyncIterator[Subject]:
    """One service on a ledger."""
    ledger = Ledger(url, folder)
    await asyncio.to_thread(ledger.set_up)
    try:
        process = await ledger.serve()
        async with Client(ledger, process) as client:
            yield await _subject(client)
    finally:
        ledger.close()


async def _subject(client: Client) -> Subject:
    run = await client.start(FLOW)
    ids = run["vendor_ids"]["etlworks"]
    bearer, basic = client.bearer, client.basic
    etlworks = f"/rest/v1/executions/{ids['flowId']}?auditId={ids['auditId']}"
    page = f"/api/workflows?per_page={PER_PAGE}&page="

    async def cancel(count: int) -> Sent:
        return [
            request("POST", f"/v1/runs/{each}/cancel", headers=bearer)
            for each in await _started(client, count)
        ]

    async def of_many(_count: int) -> Sent:
        return cycle(
            [
                request("GET", f"/v1/runs/{each}", headers=bearer)
                for each in await _started(client, MANY)
            ]
        )

    assert client.process.popen is not None
    return Subject(
        NAME,
        client.process.port,
        client.process.popen.pid,
        {
            "start": always(request("POST", "/v1/runs", headers=bearer, body=START)),
            "status": always(request("GET", f"/v1/runs/{run['run_id']}", headers=bearer)),
            "status of many": of_many,
            "status of Etlworks": always(request("GET", etlworks, headers=bearer)),
            "list": always(request("GET", f"{page}1", headers=basic)),
            "list deep": always(request("GET", f"{page}{DEEP}", headers=basic)),
            "list filtered": always(
                request("GET", f"/v1/runs?status=succeeded&limit={PER_PAGE}", headers=bearer)
            ),
            "cancel": cancel,
        },
    )


async def _started(client: Client, count: int) -> list[str]:
    """Ids of so many new runs."""
    waiting = iter(range(count))

    async def start() -> list[str]:
        return [(await client.start(FLOW))["run_id"] for _ in waiting]

    found = await asyncio.gather(*(start() for _ in range(min(AT_ONCE, count))))
    return [each for part in found for each in part]
