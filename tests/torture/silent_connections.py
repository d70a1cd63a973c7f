"""Lets connections to the database go silent under requests, in each way and for a while.

It runs after the other scenarios, on a cluster of its own and with the default timeouts.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import aiohttp

from tests.acceptance.ledger import Client, Ledger, Process
from tests.kit.duration import times
from tests.kit.silence import BOTH, EVERYTHING, NONE, TO_CLIENT, TO_SERVER, Silence, SilentProxy
from tests.postgres import own_cluster
from tests.torture.stage import Finding, Stage
from tests.waiting import until

FLOW, SLOW = "example.EXTERNAL", "example.SLOW"
ANSWERED_S, RECOVERED_S = 15.0, 30.0
SILENCES = {
    "answers": Silence(open=TO_CLIENT, new=TO_CLIENT),
    "all connections": EVERYTHING,
    "open connections": Silence(open=BOTH, new=NONE),
    "new connections": Silence(open=NONE, new=BOTH),
    "statements": Silence(open=TO_SERVER, new=TO_SERVER),
}
REQUESTS = (
    *[("POST", "/v1/runs", {"flow": FLOW})] * 3,
    ("GET", "/v1/runs", None),
    ("GET", "/v1/events", None),
    ("GET", "/metrics", None),
    ("GET", "/health/ready", None),
)


class Requests:
    """Starts and reads runs without a pause; remembers the slowest answers."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.waited_s: list[float] = []
        self.started = 0
        self.unexpected = 0
        """Answers other than success and 503."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Requests]:
        tasks = [asyncio.create_task(self._repeat(*request)) for request in REQUESTS]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _repeat(self, method: str, path: str, body: object) -> None:
        while True:
            began = time.monotonic()
            try:
                await self._request(method, path, body)
            finally:  # one that is cancelled has waited too
                self.waited_s.append(time.monotonic() - began)
            await asyncio.sleep(0.05)

    async def _request(self, method: str, path: str, body: object) -> None:
        async with self._client.session.request(
            method,
            self._client.process.url + path,
            json=body,
            headers=self._client.bearer,
            timeout=aiohttp.ClientTimeout(120),
        ) as response:
            await response.read()
            self.started += response.status == 201
            self.unexpected += response.status not in {200, 201, 503}


async def run(stage: Stage) -> list[Finding]:
    folder = stage.folder / "silent_connections"
    folder.mkdir()
    with own_cluster() as cluster:
        async with SilentProxy(cluster.url).running() as proxy:
            ledger = Ledger(proxy.url, folder)
            try:
                await asyncio.to_thread(ledger.set_up)
                requests, recovered_s = await _watched(ledger, proxy)
            finally:
                ledger.close()
    late = sum(waited > ANSWERED_S for waited in requests.waited_s)
    slow = sum(seconds > RECOVERED_S for seconds in recovered_s)
    return [
        Finding("silences, in turn", len(recovered_s)),
        Finding("requests beside them", len(requests.waited_s)),
        Finding("slowest answer, s", round(max(requests.waited_s), 1)),
        Finding("longest recovery, s", round(max(recovered_s), 1)),
        Finding("requests without an answer after 15 s", late, fault=True),
        Finding("answers other than success and 503", requests.unexpected, fault=True),
        Finding("recoveries of more than 30 s", slow, fault=True),
    ]


async def _watched(ledger: Ledger, proxy: SilentProxy) -> tuple[Requests, list[float]]:
    process = await ledger.serve()
    async with Client(ledger, process) as client, Requests(client).running() as requests:
        recovered_s = [
            await _suffer(client, proxy, requests, silence, silent_s)
            for silence in list(SILENCES.values())[: times(short=1, full=len(SILENCES))]
            for silent_s in (3.0, 30.0)[: times(short=1, full=2)]
        ]
    return requests, recovered_s


async def _suffer(
    client: Client, proxy: SilentProxy, requests: Requests, silence: Silence, silent_s: float
) -> float:
    """Go silent for a while; return the seconds until the process works again."""
    await until(lambda: is_ready(client.process))
    run = await client.start(SLOW, {"sleep": 2})  # a worker's heartbeats and reports are cut too
    proxy.go_silent(silence)
    await asyncio.sleep(silent_s)
    proxy.heal()
    healed, before = time.monotonic(), requests.started
    await until(lambda: requests.started > before)
    await until(lambda: is_ready(client.process))
    recovered_s = time.monotonic() - healed
    await client.ended(run["run_id"])
    return recovered_s


async def is_ready(process: Process) -> bool:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{process.url}/health/ready") as response,
    ):
        return response.status == 200
