"""`/health/ready` tells the truth: under each fault, soon after it, to strangers and operators."""

import asyncio
import secrets
import signal
from dataclasses import replace

import aiohttp
import asyncpg
import pytest

from service.ops import readiness
from service.ops.migrations import migrate_all
from service.serving import WATCHDOG_STATUS, serving, wait_until_stopped
from service.settings import Settings
from tests.kit.readiness import FAULTS, TOLD_WITHIN_S, Watch
from tests.service.test_app import load_examples, load_flows, status_of
from tests.waiting import until

FLOW = "example.EXTERNAL"
EVERY_SECOND = """
clock.TICK:
  executor: external
  tasks:
    - TICK
  periodic:
    interval: 1
"""


@pytest.fixture
def settings(database_url):
    return Settings(
        database_url=database_url,
        port=0,
        secret_key=secrets.token_bytes(32),
        grace_s=1,
        drain_s=0,
        database_timeout_s=2,
    )


@pytest.fixture
async def own_settings(settings, own_cluster):
    await migrate_all(own_cluster.url)
    return settings_on(settings, own_cluster.url)


def settings_on(settings, url, **changes):
    return replace(settings, database_url=url, **changes)


@pytest.mark.parametrize("name", FAULTS)
async def test_process_is_not_ready_while_its_starts_fail_and_is_again_afterwards(
    own_settings, own_cluster, name
):
    async with serving(own_settings) as (service, address):
        await load_examples(service)
        key = await service.credentials.create(tenant="acme", role="operator", name="tester")
        async with Watch(address, key.token, FLOW).running() as watch:
            await watch.until_started()
            await watch.until_ready()
            async with FAULTS[name](own_cluster):
                await watch.until_unready()
                await asyncio.sleep(TOLD_WITHIN_S + 1)
                assert not watch.ready
            await watch.until_started()
            await watch.until_ready()
    assert watch.wrong_s == 0
    assert "cannot-append" in watch.codes
    assert watch.slowest_answer_s < 2


async def test_strangers_see_codes_only_and_keys_of_all_tenants_see_why(settings, database_url):
    async with serving(settings) as (service, address):
        keys = [
            await service.credentials.create(tenant=tenant, role="administrator", name="tester")
            for tenant in ("acme", "*")
        ]
        service.readiness.draining = True
        bodies = []
        for token in (None, "nonsense", keys[0].token, keys[1].token):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with aiohttp.ClientSession(address, headers=headers) as client:
                answer = await client.get("/health/ready")
                bodies.append(await answer.json())
                assert answer.status == 503
    stranger, unknown, tenant, operator = bodies
    assert stranger == {"status": "not ready", "reasons": ["draining"], "warnings": []}
    assert unknown == tenant == stranger
    details = operator.pop("details")
    assert operator == stranger
    assert details["reasons"] == [{"code": "draining", "text": "the process is about to stop"}]
    assert {task["state"] for task in details["tasks"]} == {"running"}
    assert {row["name"] for row in details["projections"]} >= {"executions", "listings"}


async def test_read_model_behind_its_bound_makes_the_process_unready(settings, database_url):
    settings = settings_on(settings, database_url, ready_lag_s=1)
    async with serving(settings) as (service, address):
        await load_examples(service)
        owner = await asyncpg.connect(database_url)
        transaction = owner.transaction()
        await transaction.start()
        await owner.execute("select from projections.checkpoints for update")
        key = await service.credentials.create(tenant="acme", role="operator", name="tester")
        headers = {"Authorization": f"Bearer {key.token}"}
        async with aiohttp.ClientSession(address, headers=headers) as client:
            await client.post("/v1/runs", json={"flow": FLOW})
            await until(lambda: codes(service) == {"read-model-behind"})
            assert await status_of(client, "/health/ready") == 503
            await transaction.rollback()
            await until(lambda: codes(service) == set())
            assert await status_of(client, "/health/ready") == 200
        await owner.close()


async def test_paused_read_model_is_a_warning(settings, database_url):
    async with serving(settings) as (service, address):
        owner = await asyncpg.connect(database_url)
        await owner.execute(
            "update projections.checkpoints set state = 'paused', error = 'secret',"
            " error_position = 1 where name = 'listings'"
        )
        await owner.close()
        await until(lambda: bool(service.readiness.warnings()))
        async with aiohttp.ClientSession(address) as client:
            body = await (await client.get("/health/ready")).json()
    assert body == {"status": "ready", "reasons": [], "warnings": ["read-model-paused"]}


async def test_old_evidence_counts_as_none(settings, monkeypatch):
    monkeypatch.setattr(readiness, "MAX_AGE_S", 0.5)
    async with serving(settings) as (service, _):
        await until(lambda: codes(service) == set())
        await service.supervisor.stop("readiness")
        await until(lambda: "cannot-append" in codes(service))


async def test_worker_without_a_heartbeat_makes_the_process_unready(settings):
    async with serving(settings) as (service, _):
        await until(lambda: codes(service) == set())
        service.worker.dispatcher.heartbeats._last_beat_at = -1e9
        assert "worker-isolated" in codes(service)


async def test_idle_process_leaves_nothing_of_its_probes_in_the_log(settings, database_url):
    async with serving(settings) as (service, _):
        service.log.health.failing = True  # so that an event is appended for trial
        await service.readiness.probe()
        assert not service.log.health.failing
        assert await service.log.read_stream_of_type("*", "trial", "Trial", limit=9) == []
        head = await service.log.head()
        await service.readiness.probe()
        assert await service.log.head() == head


async def test_draining_process_serves_on_and_says_that_it_is_not_ready(settings, database_url):
    settings = settings_on(settings, database_url, drain_s=5)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        async with serving(settings) as (service, address):
            stopped = asyncio.create_task(wait_until_stopped(service))
            await until(lambda: signal.getsignal(signal.SIGTERM) not in before.values())
            signal.raise_signal(signal.SIGTERM)
            await until(lambda: service.readiness.draining)
            async with aiohttp.ClientSession(address) as client:  # a new connection
                assert await status_of(client, "/health/ready") == 503
                assert await status_of(client, "/health/live") == 200
            assert not stopped.done()
            assert await asyncio.wait_for(stopped, 30) == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def test_interrupt_does_not_drain(settings, database_url):
    settings = settings_on(settings, database_url, drain_s=600)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        async with serving(settings) as (service, _):
            stopped = asyncio.create_task(wait_until_stopped(service))
            await until(lambda: signal.getsignal(signal.SIGTERM) not in before.values())
            signal.raise_signal(signal.SIGINT)
            assert await asyncio.wait_for(stopped, 30) == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def codes(service) -> set[str]:
    return {reason.code for reason in service.readiness.reasons()}


async def test_clock_behind_the_log_is_a_warning_a_metric_and_one_line(
    settings, database_url, caplog
):
    async with serving(settings) as (service, _):
        owner = await asyncpg.connect(database_url)
        await owner.execute("update log.head set recorded_at = clock_timestamp() + interval '3 h'")
        await owner.close()
        for _ in range(3):
            await service.readiness.probe()
        assert [warning.code for warning in service.readiness.warnings()] == ["clock-behind"]
        assert service.metrics.get_sample_value("flowledger_clock_behind_seconds") > 10_000
        assert service.metrics.get_sample_value("flowledger_ready") == 1
    lines = [line for line in caplog.messages if "clock is behind the log by" in line]
    assert len(lines) == 1


async def test_process_whose_database_is_silent_for_too_long_ends_with_the_status_of_the_watchdog(
    own_settings, own_cluster
):
    async with (
        serving(replace(own_settings, database_silence_s=3)) as (service, _),
        FAULTS["stopped_server"](own_cluster),
        asyncio.timeout(30),
    ):
        assert await wait_until_stopped(service) == WATCHDOG_STATUS


async def test_schedules_go_by_the_clock_of_the_database_while_it_is_behind_the_log(
    settings, database_url, tmp_path
):
    (tmp_path / "flows.yaml").write_text(EVERY_SECOND)
    owner = await asyncpg.connect(database_url)
    async with serving(settings) as (service, _):
        await owner.execute(
            "update log.head set recorded_at = clock_timestamp() + interval '3 hours'"
        )
        await load_flows(service, tmp_path)
        query = "select count(*) from log.events where type = 'RunQueued'"
        async with asyncio.timeout(30):
            while await owner.fetchval(query) < 2:  # noqa: ASYNC110 - in the database
                await asyncio.sleep(0.1)
    await owner.close()


async def test_read_model_that_the_service_may_not_read_makes_it_unready(settings, database_url):
    owner = await asyncpg.connect(database_url)
    async with serving(settings) as (service, address), aiohttp.ClientSession(address) as client:
        await owner.execute("alter schema listings_v1 owner to current_user")
        await until(lambda: [reason.code for reason in service.readiness.reasons()] == [UNREADABLE])
        assert await status_of(client, "/health/ready") == 503
        await owner.execute("alter schema listings_v1 owner to flowledger_app")
        await until(lambda: service.readiness.reasons() == [])
    await owner.close()


UNREADABLE = "read-model-unreadable"
