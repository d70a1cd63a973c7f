"""The real program behind a proxy that goes silent: it answers, recovers and ends."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.acceptance.ledger import Client, Ledger
from tests.kit.silence import EVERYTHING, TO_CLIENT, TO_SERVER, Silence, SilentProxy
from tests.waiting import until

SILENT_S, ANSWER_S, RECOVERY_S = 6, 15, 30
GRACE_S, MARGIN_S = 3, 15
SILENCES = {
    "both ways": EVERYTHING,
    "to the server": Silence(TO_SERVER, TO_SERVER),
    "to the client": Silence(TO_CLIENT, TO_CLIENT),
}


@pytest.fixture
async def proxy(ledger: Ledger) -> AsyncIterator[SilentProxy]:
    """A proxy that the processes of the ledger connect through."""
    async with SilentProxy(ledger.environment["FLOWLEDGER_DATABASE_URL"]).running() as proxy:
        ledger.environment |= {
            "FLOWLEDGER_DATABASE_URL": proxy.url,
            "FLOWLEDGER_DATABASE_TIMEOUT": "2",
            "FLOWLEDGER_GRACE": str(GRACE_S),
        }
        yield proxy


@pytest.fixture
async def client(proxy: SilentProxy, ledger: Ledger) -> AsyncIterator[Client]:
    async with Client(ledger, await ledger.serve()) as client:
        yield client


async def status(client: Client, method: str, path: str, body: object = None) -> int:
    timeout = aiohttp.ClientTimeout(ANSWER_S)
    async with client.session.request(
        method, client.process.url + path, json=body, headers=client.bearer, timeout=timeout
    ) as answer:
        await answer.read()
        return answer.status


async def ask_all(client: Client, run_id: str) -> list[int]:
    start = {"flow": "example.EXTERNAL", "payload": {}}
    return await asyncio.gather(
        status(client, "POST", "/v1/runs", start),
        status(client, "POST", "/v1/runs", {**start, "flow": "example.UNKNOWN"}),
        status(client, "POST", f"/v1/runs/{run_id}/cancel"),
        status(client, "GET", f"/v1/runs/{run_id}"),
        status(client, "GET", f"/v1/runs/{run_id}/history"),
        status(client, "GET", "/v1/runs"),
        status(client, "GET", "/v1/projections"),
        status(client, "GET", "/health/ready"),
        status(client, "GET", "/metrics"),
    )


@pytest.mark.parametrize("silence", SILENCES.values(), ids=SILENCES)
async def test_every_request_is_answered_and_the_process_recovers_by_itself(client, proxy, silence):
    run_id = (await client.start("example.EXTERNAL"))["run_id"]
    proxy.go_silent(silence)
    silent_until = time.monotonic() + SILENT_S
    asked = []
    while time.monotonic() < silent_until:
        asked.append(asyncio.create_task(ask_all(client, run_id)))
        await asyncio.sleep(0.5)
    proxy.heal()
    healed = time.monotonic()
    answers = [each for batch in await asyncio.gather(*asked) for each in batch]
    assert 503 in answers
    assert set(answers) <= {200, 201, 404, 409, 503}

    async def starts() -> bool:
        start = {"flow": "example.EXTERNAL", "payload": {}}
        return await status(client, "POST", "/v1/runs", start) == 201

    await until(starts, within_s=RECOVERY_S)
    executed = (await client.start("example.COMMAND"))["run_id"]
    await client.ended(executed)
    assert time.monotonic() - healed < RECOVERY_S


async def test_sigterm_ends_a_process_whose_database_is_silent_within_the_grace(client, proxy):
    await client.start("example.SLOW", {"sleep": 60})
    proxy.go_silent()
    popen = client.process.popen
    popen.send_signal(signal.SIGTERM)
    await asyncio.to_thread(popen.wait, GRACE_S + MARGIN_S)


async def test_second_signal_of_either_kind_ends_a_draining_process_at_once(ledger):
    ledger.environment["FLOWLEDGER_DRAIN"] = "600"
    process = await ledger.serve()
    process.popen.send_signal(signal.SIGTERM)
    await until(lambda: "stopping" in process.log.read_text())
    process.popen.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(process.popen.wait, 30) == -signal.SIGINT


async def test_verb_ends_with_an_error_that_names_the_database(client, proxy, ledger):
    proxy.go_silent()
    done = await asyncio.to_thread(ledger.attempt, "flows", "list", timeout_s=30)
    assert done.returncode == 1
    assert "the database does not answer" in done.stderr
    assert "check FLOWLEDGER_DATABASE_URL" in done.stderr
