"""An answer that waits for hours: spaces keep it open, and a client may give it up."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from service.dialects.invision.waiting import answer_at_end

HEADERS = {"Idempotency-Replayed": "true"}
ENDED = {"runId": "r", "status": "Failed"}


class Run:
    """Something that ends when told to, and remembers whether it was waited for."""

    def __init__(self):
        self.end = asyncio.get_running_loop().create_future()
        self.left = asyncio.Event()
        self.handled = asyncio.Event()

    async def ended(self):
        try:
            return await self.end
        finally:
            self.left.set()


@pytest.fixture
async def run():
    return Run()


@pytest.fixture(params=[False, True], ids=["goes on", "is cancelled"])
async def client(request, run):
    """A client of a server whose handlers go on, or are cancelled, when the client hangs up."""

    async def wait(request):
        keepalive_s = float(request.query["keepalive_s"])
        try:
            return await answer_at_end(
                request, run.ended(), headers=HEADERS, keepalive_s=keepalive_s
            )
        finally:
            run.handled.set()

    app = web.Application()
    app.router.add_get("/", wait)
    runner = web.AppRunner(app, handler_cancellation=request.param)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession(base_url=address) as session:
        yield session
    await runner.cleanup()


async def test_run_that_ends_in_time_gets_an_ordinary_answer(client, run):
    run.end.set_result(ENDED)
    async with client.get("/?keepalive_s=60") as response:
        assert (response.status, await response.json()) == (200, ENDED)
        assert response.headers["Idempotency-Replayed"] == "true"
        assert "Content-Length" in response.headers


async def test_late_answer_is_preceded_by_spaces(client, run):
    async with client.get("/?keepalive_s=0.001") as response:
        assert await response.content.readexactly(3) == b"   "
        run.end.set_result(ENDED)
        rest = (await response.content.read()).decode()
        assert rest.lstrip(" ") == '{"runId":"r","status":"Failed"}'
        assert response.content_type == "application/json"
        assert response.headers["Idempotency-Replayed"] == "true"


async def test_client_disconnect_ends_only_the_wait(client, run):
    async with client.get("/?keepalive_s=0.001") as response:
        await response.content.readexactly(1)
        response.close()
    await run.left.wait()
    await run.handled.wait()


async def test_failure_before_the_first_space_gets_an_error_answer(client, run):
    run.end.set_exception(web.HTTPServiceUnavailable())
    async with client.get("/?keepalive_s=60") as response:
        assert response.status == 503


async def test_failure_after_the_first_space_cuts_the_connection(client, run):
    async with client.get("/?keepalive_s=0.001") as response:
        await response.content.readexactly(1)
        run.end.set_exception(web.HTTPServiceUnavailable())
        with pytest.raises(aiohttp.ClientError):
            await response.content.read()
    await run.handled.wait()
