"""A ledger as its users have it: processes of the real program, a client for each vendor's API."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import aiohttp

from service.dialects.naver.auth import sign

EXAMPLES = Path(__file__).parents[2] / "examples"
SECRET_KEY = "ab" * 32
READY_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Process:
    """One process of the program; its output is kept in a file."""

    verb: str
    environment: Mapping[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    popen: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        environment = {**self.environment, "FLOWLEDGER_PORT": str(self.port)}
        with self.log.open("ab") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "service", *self.verb.split()],
                env=environment,
                stdout=output,
                stderr=output,
            )

    def kill(self) -> None:
        assert self.popen is not None
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def stop(self) -> int:
        assert self.popen is not None
        self.popen.terminate()
        return self.popen.wait(60)

    async def ready(self) -> None:
        async with aiohttp.ClientSession() as session, asyncio.timeout(READY_S):
            while not await self._answers(session):
                assert self.popen is not None
                assert self.popen.poll() is None, self.log.read_text()
                await asyncio.sleep(0.05)

    async def _answers(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/health/ready") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


class Ledger:
    """A database with the examples in it, a key, and as many processes as a test starts."""

    def __init__(self, database_url: str, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("FLOWLEDGER_")},
            "FLOWLEDGER_DATABASE_URL": database_url,
            "FLOWLEDGER_SECRET_KEY": SECRET_KEY,
            "FLOWLEDGER_FLOWS": str(EXAMPLES),
            "FLOWLEDGER_HOME": str(folder / "home"),
            "FLOWLEDGER_DRAIN": "0",
            **settings,
        }
        self.processes: list[Process] = []

    @property
    def database(self) -> str:
        """The name of its database on the server."""
        return urlsplit(self.environment["FLOWLEDGER_DATABASE_URL"]).path[1:]

    def copied(self, database_url: str, folder: Path) -> Ledger:
        """The same ledger on a copy of the database that this one was set up in."""
        ledger = Ledger(database_url, folder)
        ledger.key, ledger.flows = self.key, self.flows
        ledger.run("migrate")  # Postgres copies no rights on the database itself
        return ledger

    def run(self, *arguments: str, timeout_s: float = 120) -> str:
        done = self.attempt(*arguments, timeout_s=timeout_s)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def attempt(self, *arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "service", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )

    def set_up(self, flows: Path = EXAMPLES) -> None:
        self.run("migrate")
        self.run("flows", "load", str(flows))
        self.key = self.create_key("administrator")
        listed = json.loads(self.run("flows", "list", "--json"))
        self.flows = {flow["fullname"]: flow["vendor_ids"] for flow in listed}

    def create_key(self, role: str, tenant: str = "default") -> dict[str, str]:
        made = self.run(
            "keys", "create", "--tenant", tenant, "--role", role, "--name", role, "--json"
        )
        return json.loads(made)

    async def serve(self, verb: str = "serve") -> Process:
        process = Process(verb, self.environment, self.folder / f"{len(self.processes)}.log")
        self.processes.append(process)
        process.start()
        await process.ready()
        return process

    def close(self) -> None:
        for process in self.processes:
            if process.popen is not None and process.popen.poll() is None:
                process.kill()


@dataclass
class Client:
    """Speaks to one process in every vendor's way."""

    ledger: Ledger
    process: Process
    session: aiohttp.ClientSession = field(init=False)

    async def __aenter__(self) -> Self:
        self.session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.session.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        expect: int = 200,
    ) -> Any:
        async with self.session.request(
            method, self.process.url + path, json=body, headers=headers
        ) as response:
            text = await response.text()
            assert response.status == expect, (response.status, text)
            return json.loads(text) if text else None

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.ledger.key['token']}"}

    @property
    def basic(self) -> dict[str, str]:
        key = self.ledger.key
        encoded = aiohttp.encode_basic_auth(key["username"], key["password"])
        return {"Authorization": encoded}

    def signed(self, method: str, path: str) -> dict[str, str]:
        now, key = str(int(time.time() * 1000)), self.ledger.key
        signature = sign(method, path, now, key["access_key"], key["secret_key"])
        return {
            "x-ncp-apigw-timestamp": now,
            "x-ncp-iam-access-key": key["access_key"],
            "x-ncp-apigw-signature-v2": signature,
        }

    async def api(self, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        return await self.call(method, path, body=body, headers=self.bearer, expect=expect)

    async def start(self, flow: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        return await self.api(
            "POST", "/v1/runs", {"flow": flow, "payload": payload or {}}, expect=201
        )

    async def run(self, run_id: str) -> dict[str, Any]:
        return await self.api("GET", f"/v1/runs/{run_id}")

    async def report(self, run_id: str, *events: dict[str, Any]) -> list[dict[str, Any]]:
        path = f"/v1/runs/{run_id}/events"
        return (await self.api("POST", path, {"events": list(events)}))["results"]

    async def until(
        self, run_id: str, holds: Callable[[dict[str, Any]], bool], within_s: float = 60
    ) -> dict[str, Any]:
        async with asyncio.timeout(within_s):
            while not holds(run := await self.run(run_id)):  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.02)
        return run

    async def ended(self, run_id: str) -> dict[str, Any]:
        return await self.until(run_id, lambda run: run["ended_at"] is not None)

    # Each vendor's start call; the answer is the run's id in the ledger.

    async def start_by_api(self, flow: str) -> str:
        return (await self.start(flow))["run_id"]

    async def start_by_etlworks(self, flow: str) -> str:
        flow_id = self.ledger.flows[flow]["etlworks"]["flowId"]
        path = f"/rest/v1/flows/{flow_id}/run"
        started = await self.call("POST", path, body={}, headers=self.bearer)
        return await self._by_number(started["auditId"])

    async def start_by_invision(self, flow: str) -> str:
        dataflow = self.ledger.flows[flow]["invision"]["dataflowId"]
        path = f"/InVision/api/pub/v1/dataflows/{dataflow}/start?api_key={self.ledger.key['token']}"
        return (await self.call("POST", path))["runId"]

    async def start_by_director(self, flow: str) -> str:
        project, _, name = flow.partition(".")
        body = {"project": project, "name": name, "payload": {}}
        started = await self.call(
            "POST", "/api/workflows", body=body, headers=self.basic, expect=201
        )
        return started["id"]

    async def start_by_naver(self, flow: str) -> str:
        workflow = self.ledger.flows[flow]["naver"]["workflowId"]
        path = f"/api/v1/workflows/{workflow}/executions"
        await self.call("POST", path, headers=self.signed("POST", path), expect=202)
        newest = await self.api("GET", "/v1/runs?" + urlencode({"flow": flow, "limit": 1}))
        return newest["runs"][0]["run_id"]

    async def start_by_incorta(self, flow: str) -> str:
        name = self.ledger.flows[flow]["incorta"]["loadPlanName"]
        path = "/incorta/api/v2/default/load-plan/execute"
        body = {"loadPlanName": name}
        started = await self.call("POST", path, body=body, headers=self.bearer)
        return await self._by_number(started["loadPlanExecutionId"])

    async def _by_number(self, run_number: int) -> str:
        newest = await self.api("GET", "/v1/runs?limit=50")
        return next(r["run_id"] for r in newest["runs"] if r["run_number"] == run_number)

    # Each vendor's answer about a run, without what grows with the clock.

    async def seen_by_api(self, run: dict[str, Any]) -> Any:
        return await self.run(run["run_id"])

    async def seen_by_etlworks(self, run: dict[str, Any]) -> Any:
        ids = run["vendor_ids"]["etlworks"]
        path = f"/rest/v1/executions/{ids['flowId']}?auditId={ids['auditId']}"
        return await self.call("GET", path, headers=self.bearer)

    async def seen_by_invision(self, run: dict[str, Any]) -> Any:
        ids = run["vendor_ids"]["invision"]
        path = f"/api/pub/v1/dataflows/{ids['dataflowId']}/runs/{ids['runId']}/status"
        return await self.call("GET", path, headers={"x-api-key": self.ledger.key["token"]})

    async def seen_by_director(self, run: dict[str, Any]) -> Any:
        path = f"/api/workflows/{run['vendor_ids']['director']['id']}"
        return await self.call("GET", path, headers=self.basic)

    async def seen_by_naver(self, run: dict[str, Any]) -> Any:
        ids = run["vendor_ids"]["naver"]
        path = f"/api/v1/workflows/{ids['workflowId']}/executions?page=0&limit=100"
        page = await self.call("GET", path, headers=self.signed("GET", path))
        (row,) = (r for r in page["list"] if r["jobExecutionId"] == ids["jobExecutionId"])
        return {k: v for k, v in row.items() if k not in {"waitingTime", "runningTime"}}

    async def seen_by_incorta(self, run: dict[str, Any]) -> Any:
        ids = run["vendor_ids"]["incorta"]
        path = f"/incorta/api/v2/default/load-plan/status/{ids['executionId']}?level=4"
        return await self.call("GET", path, headers=self.bearer)
