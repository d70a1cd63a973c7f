"""Prefect over HTTP: one API server with its default settings, on Postgres.

A start is a flow run recorded as pending, which no worker takes up: one that is scheduled would
soon be late, and marking it so would take time from what is measured.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.acceptance.ledger import free_port
from tests.benchmarks import filling, stage
from tests.benchmarks.load import request
from tests.benchmarks.peers import peer
from tests.benchmarks.serving.subject import DEEP, PAYLOAD, PER_PAGE, Sent, Subject, always
from tests.postgres import at

NAME = "Prefect"
CANCELLED = json.dumps({"state": {"type": "CANCELLED"}, "force": False}).encode()
AT_ONCE, MOST = 8, 300
"""Starts at once, and at most, of what is made ready to be cancelled."""


@asynccontextmanager
async def serving(admin: str, folder: Path, filled: int) -> AsyncIterator[Subject]:
    programs = peer("prefect").require() / "bin"
    name = f"prefect_{filled}"
    there = filled and await stage.is_filled(admin, name)
    url = at(admin, name) if there else await stage.fresh(admin, name)
    port = free_port()
    environment = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_API_DATABASE_CONNECTION_URL": url.replace("postgresql:", "postgresql+asyncpg:"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "DO_NOT_TRACK": "1",
    }
    where = ("--host", "127.0.0.1", "--port", str(port), "--no-ui")
    command = (str(programs / "prefect"), "server", "start", *where)
    server = stage.Program(command, environment, folder / "prefect.log", port, folder)
    try:
        await server.ready()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            await _healthy(session)
            flow = (await _post(session, "/api/flows/", {"name": "transfer"}))["id"]
            if not there:
                await filling.rows(admin, name, "prefect", filled)
            yield await _subject(server, session, flow)
    finally:
        server.stop()


async def _healthy(session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(stage.READY_S):
        while True:
            async with session.get("/api/health") as response:
                if response.status == 200:
                    return
            await asyncio.sleep(0.1)


async def _subject(server: stage.Program, session: aiohttp.ClientSession, flow: str) -> Subject:
    start = {"flow_id": flow, "parameters": PAYLOAD, "state": {"type": "PENDING"}}
    started = await _post(session, "/api/flow_runs/", start)

    async def cancel(count: int) -> Sent:
        wanted = min(count, MOST)
        waiting = iter(range(wanted))

        async def begin() -> list[str]:
            return [(await _post(session, "/api/flow_runs/", start))["id"] for _ in waiting]

        parts = await asyncio.gather(*(begin() for _ in range(min(AT_ONCE, wanted))))
        return [
            request("POST", f"/api/flow_runs/{each}/set_state", body=CANCELLED)
            for part in parts
            for each in part
        ]

    return Subject(
        NAME,
        server.port,
        server.popen.pid,
        {
            "start": always(_request("/api/flow_runs/", start)),
            "status": always(request("GET", f"/api/flow_runs/{started['id']}")),
            "list": always(_page()),
            "list deep": always(_page(offset=(DEEP - 1) * PER_PAGE)),
            "list filtered": always(_page(flow_runs={"state": {"type": {"any_": ["COMPLETED"]}}})),
            "cancel": cancel,
        },
    )


def _page(**more: Any) -> bytes:
    asked = {"limit": PER_PAGE, "sort": "EXPECTED_START_TIME_DESC", **more}
    return _request("/api/flow_runs/filter", asked)


def _request(path: str, body: dict[str, Any]) -> bytes:
    return request("POST", path, body=json.dumps(body).encode())


async def _post(session: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> Any:
    async with session.post(path, json=body) as response:
        assert response.status < 300, await response.text()
        return await response.json()
