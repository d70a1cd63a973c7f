"""The whole service on a real database: it starts, serves, loses it, recovers and stops."""

import asyncio
import contextlib
import logging
import secrets
import signal
import socket
from dataclasses import replace
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from events.errors import LogError
from projections.errors import ProjectionError
from service.access import Origin
from service.app import compose
from service.errors import InvalidSetting, ServiceError, Unauthenticated
from service.flows.definitions import load_definitions
from service.flows.registration import register
from service.ops.migrations import migrate_all
from service.runtime import ProcessRole
from service.serving import serving, wait_for_stop_signal
from service.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENCE_S = 30


@pytest.fixture
def settings(database_url):
    return Settings(
        database_url=database_url, port=0, secret_key=secrets.token_bytes(32), grace_s=10
    )


@contextlib.asynccontextmanager
async def client_of(service, address, *, tenant="acme", role="operator"):
    """A client of the service with a key of its own."""
    created = await service.credentials.create(tenant=tenant, role=role, name="tester")
    headers = {"Authorization": f"Bearer {created.token}"}
    async with aiohttp.ClientSession(address, headers=headers) as client:
        client.created = created
        yield client


async def load_examples(service):
    await load_flows(service, EXAMPLES)


async def load_flows(service, folder):
    await register(
        service.log,
        service.catalogue,
        tenant="acme",
        definitions=load_definitions(folder),
        dialects=service.dialects,
        origin=Origin(actor="tests", source="tests"),
    )


async def until(ask, wanted):
    """Ask again until the answer is as wanted."""
    async with asyncio.timeout(PATIENCE_S):
        while not wanted(answer := await ask()):  # noqa: ASYNC110 - it is asked over the network
            await asyncio.sleep(0.02)
    return answer


async def status_of(client, path):
    async with client.get(path) as response:
        await response.read()
        return response.status


async def test_a_started_service_is_alive_and_ready(settings):
    async with serving(settings) as (_, address), aiohttp.ClientSession(address) as client:
        assert await status_of(client, "/health/live") == 200
        state = await (await client.get("/health/ready")).json()
    assert state == {"status": "ready", "reasons": [], "warnings": []}


async def test_run_is_started_and_read_with_its_position(settings):
    async with serving(settings) as (service, address):
        await load_examples(service)
        async with client_of(service, address) as client:
            started = await client.post("/v1/runs", json={"flow": "example.EXTERNAL"})
            run = await started.json()
            assert started.status == 201, run
            assert int(started.headers["Flowledger-Position"]) > 0
            assert await status_of(client, f"/v1/runs/{run['run_id']}") == 200


async def test_no_task_is_left_running_after_shutdown(settings):
    async with serving(settings, set(ProcessRole)) as (service, _):
        pass
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert {task.state for task in service.supervisor.tasks} == {"stopped"}
    assert {task.crashes for task in service.supervisor.tasks} == {0}


@pytest.mark.parametrize(
    ("part", "absent"), [(ProcessRole.PROJECT, "dispatcher"), (ProcessRole.WORK, "runner")]
)
async def test_each_part_can_run_without_the_others(settings, part, absent):
    async with serving(settings, {part}) as (service, address):
        assert address is None
        assert absent not in {task.name for task in service.supervisor.tasks}


async def test_a_key_revoked_in_one_process_is_soon_dropped_by_another(settings):
    async with (
        serving(settings) as (service, address),
        compose(settings) as other,
        client_of(service, address) as client,
    ):
        assert await status_of(client, "/v1/runs") == 200
        await other.credentials.revoke(client.created.key_id)
        await until(lambda: status_of(client, "/v1/runs"), lambda status: status == 401)
        with pytest.raises(Unauthenticated):
            await service.credentials.by_token(client.created.token)


async def test_a_request_in_flight_ends_before_the_service_does(settings):
    running = serving(settings)
    service, address = await running.__aenter__()
    await load_examples(service)
    async with client_of(service, address) as client:
        async with held_log(settings.database_url) as waited_for:
            starting = asyncio.create_task(
                client.post("/v1/runs", json={"flow": "example.EXTERNAL"})
            )
            await until(waited_for, bool)
            stopping = asyncio.create_task(running.__aexit__(None, None, None))
            await asyncio.wait({stopping}, timeout=0.1)
            assert not stopping.done()
        async with await starting as response:
            assert response.status == 201
    await stopping


@contextlib.asynccontextmanager
async def held_log(url):
    """Hold the log, so that appends wait; gives a question: does one wait?"""
    holder, watcher = await asyncpg.connect(url), await asyncpg.connect(url)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM log.head FOR UPDATE")
            yield lambda: watcher.fetchval(waiting)
    finally:
        await holder.close()
        await watcher.close()


async def test_service_without_a_flows_folder_executes_nothing(settings):
    async with serving(settings) as (service, address):
        await load_examples(service)
        async with client_of(service, address) as client:
            async with client.post("/v1/runs", json={"flow": "example.RANDOMS"}) as response:
                run = await response.json()
            await asyncio.sleep(1.2)  # longer than a worker takes to look by itself
            async with client.get(f"/v1/runs/{run['run_id']}") as response:
                assert (await response.json())["status"] == "queued"


async def test_long_credential_is_refused_with_the_dialects_error(settings):
    async with serving(settings) as (_, address), aiohttp.ClientSession(address) as client:
        headers = {"Authorization": f"Bearer fl_{'x' * 20_000}"}
        async with client.get("/v1/runs", headers=headers) as response:
            assert (response.status, response.content_type) == (401, "application/problem+json")


async def test_malformed_http_is_no_error_of_ours(settings, caplog):
    async with serving(settings) as (_, address):
        reader, writer = await asyncio.open_connection(*address.removeprefix("http://").split(":"))
        writer.write(b"GET /\xff HTTP/1.1\r\n\r\n")
        assert b" 400 " in await reader.read()
        writer.close()
        await writer.wait_closed()
    assert not [line for line in caplog.records if line.levelno >= logging.WARNING]


async def test_signal_stops_the_service():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    waiting = asyncio.create_task(wait_for_stop_signal())
    await asyncio.sleep(0)
    try:
        signal.raise_signal(signal.SIGTERM)
        assert await asyncio.wait_for(waiting, PATIENCE_S) is signal.SIGTERM
        # A second one of either kind ends the process, as the system does it.
        assert {signal.getsignal(number) for number in before} == {signal.SIG_DFL}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def test_start_on_a_port_in_use_fails_and_names_the_port(settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidSetting, match=f"FLOWLEDGER_PORT.*{port}"):
            async with serving(replace(settings, port=port)):
                pass
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_missing_secret_key_fails_the_start(settings):
    with pytest.raises(InvalidSetting, match="FLOWLEDGER_SECRET_KEY"):
        async with serving(replace(settings, secret_key=None)):
            pass


async def test_another_secret_key_fails_the_start(settings):
    async with compose(settings) as service:
        await service.credentials.create(tenant="acme", role="viewer", name="tester")
    with pytest.raises(InvalidSetting, match="FLOWLEDGER_SECRET_KEY"):
        async with serving(replace(settings, secret_key=secrets.token_bytes(32))):
            pass
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_database_that_was_not_migrated_fails_the_start(settings, empty_database_url):
    with pytest.raises((LogError, ProjectionError, ServiceError)):
        async with serving(replace(settings, database_url=empty_database_url)):
            pass
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_service_without_its_database_answers_503_and_recovers(settings, own_cluster):
    await migrate_all(own_cluster.url)
    async with serving(replace(settings, database_url=own_cluster.url)) as (service, address):
        await load_examples(service)
        async with client_of(service, address) as client:
            assert await status_of(client, "/v1/runs") == 200
            await asyncio.to_thread(own_cluster.kill)
            await until(lambda: status_of(client, "/health/ready"), lambda status: status == 503)
            for path in ("/v1/runs", "/health/ready"):
                async with client.get(path) as response:
                    assert response.status == 503
                    assert int(response.headers["Retry-After"]) > 0
            async with client.post("/v1/runs", json={"flow": "example.EXTERNAL"}) as response:
                assert response.status == 503
                assert response.content_type == "application/problem+json"
            assert await status_of(client, "/health/live") == 200
            await asyncio.to_thread(own_cluster.start)
            await until(lambda: status_of(client, "/health/ready"), lambda status: status == 200)
            async with client.post("/v1/runs", json={"flow": "example.EXTERNAL"}) as response:
                run = await response.json()
                assert response.status == 201, run
            assert await status_of(client, f"/v1/runs/{run['run_id']}") == 200
