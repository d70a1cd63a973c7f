"""/metrics as a scraper reads it: the same figures as /v1/projections, and no name of anybody's."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from events.database import connect_pool
from events.envelope import AppendRequest, NewEvent, StreamAppend
from service.metrics.appends import MeasuredLog
from service.metrics.requests import BUCKETS_S, RequestMetrics, RouteTimer
from service.serving import serving
from service.settings import Settings
from tests import postgres

COLUMNS = {"position": "position", "lag_events": "lag_events", "serving": "serving"}


def scrape(api, key="viewer"):
    """Every sample by its name and labels."""
    answer = api.ask("GET", "/metrics", key=key)
    assert answer.status == 200, answer.body
    return samples(answer.body.decode())


def samples(text):
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found, name, **labels):
    return found[name, frozenset(labels.items())]


def test_read_model_metrics_match_the_list_of_read_models(server, api):
    run = api.start()
    server.read(run)
    found = scrape(api)
    rows = api.get("/v1/projections", key="administrator of all")["projections"]
    assert len(rows) == 5
    for row in rows:
        labels = {"projection": row["name"], "version": str(row["version"])}
        for suffix, column in COLUMNS.items():
            assert value(found, f"flowledger_projection_{suffix}", **labels) == row[column]
        assert value(found, "flowledger_projection_paused", **labels) == 0
        assert value(found, "flowledger_projection_lag_seconds", **labels) == row["lag_s"] == 0
    assert value(found, "flowledger_log_head") == rows[0]["head"] == server.head()
    assert value(found, "flowledger_database_up") == 1


def test_appends_are_counted_by_outcome(api):
    before = scrape(api)
    key = {"Idempotency-Key": str(uuid4())}
    body = {"flow": "suite.ORDERS", "payload": {}}
    assert api.ask("POST", "/v1/runs", body, **key).status == 201
    after = scrape(api)
    for name, labels in (
        ("flowledger_append_requests_total", {"answer": "appended"}),
        ("flowledger_appended_events_total", {}),
        ("flowledger_append_seconds_count", {}),
        ("flowledger_append_batch_requests_sum", {}),
    ):
        assert value(after, name, **labels) == value(before, name, **labels) + 1, name


async def test_every_append_outcome_has_its_own_count(database_url):
    pool = await connect_pool(database_url, max_size=1)
    registry = CollectorRegistry()
    log = MeasuredLog(pool, registry)
    event = NewEvent(str(uuid4()), "RunStarted", b"{}", "ops")
    first = AppendRequest("t", (StreamAppend("s", 0, (event,)),))
    second = NewEvent(str(uuid4()), "RunStarted", b"{}", "ops")
    late = AppendRequest("t", (StreamAppend("s", 0, (second,)),))
    for request in (first, first, late, AppendRequest("t", ())):
        await log.append([request])
    await pool.close()

    found = samples(generate_latest(registry).decode())
    for answer in ("appended", "duplicate", "conflict", "refused"):
        assert value(found, "flowledger_append_requests_total", answer=answer) == 1, answer
    assert value(found, "flowledger_appended_events_total") == 1
    assert value(found, "flowledger_append_seconds_count") == 4


def test_requests_are_counted_by_route_and_status_and_never_by_target(server, api):
    labels = {"dialect": "api", "method": "GET", "route": "/v1/runs/{run_id}", "status": "404"}
    unmatched = {"dialect": "none", "method": "none", "route": "none", "status": "404"}
    name = "flowledger_http_request_seconds_count"
    nobody = str(uuid4())
    for _ in range(2):
        assert api.ask("GET", f"/v1/runs/{nobody}").status == 404
        assert api.ask("GET", f"/nowhere/{uuid4()}").status == 404
    before = scrape(api)
    for _ in range(3):
        api.ask("GET", f"/v1/runs/{uuid4()}")
        api.ask("GET", f"/nowhere/{uuid4()}")
    after = scrape(api)
    for kind in (labels, unmatched):
        assert value(after, name, **kind) == value(before, name, **kind) + 3
    assert after.keys() == before.keys()
    assert not any("nowhere" in str(key) or nobody in str(key) for key in after)


def test_answered_request_is_in_every_bucket_that_is_long_enough():
    registry = CollectorRegistry()
    timer = RouteTimer(RequestMetrics(registry), ("api", "GET", "/v1/runs"))
    timer.finish(timer.start() - 0.3, 200)
    found = samples(generate_latest(registry).decode())
    labels = {"dialect": "api", "method": "GET", "route": "/v1/runs", "status": "200"}
    name = "flowledger_http_request_seconds"
    for bound in (*map(str, BUCKETS_S), "+Inf"):
        assert value(found, f"{name}_bucket", **labels, le=bound) == (float(bound) > 0.3), bound
    assert value(found, f"{name}_count", **labels) == 1
    assert value(found, f"{name}_sum", **labels) == pytest.approx(0.3, abs=0.1)
    assert value(found, "flowledger_http_requests_in_flight") == 0
    assert len(found) == len(BUCKETS_S) + 4


def test_process_metrics_are_exposed(api):
    found = scrape(api)
    assert value(found, "flowledger_http_requests_in_flight") == 1
    assert value(found, "flowledger_task_crashes_total", task="batcher") == 0
    assert value(found, "flowledger_task_running", task="runner") == 1
    assert value(found, "flowledger_pool_connections", pool="log", state="most") == 10
    assert any(name == "flowledger_build_info" for name, _ in found)
    assert any(name == "process_resident_memory_bytes" for name, _ in found)


def test_openmetrics_format_is_served_on_request(api):
    answer = api.ask("GET", "/metrics", key="viewer", Accept="application/openmetrics-text")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    names = {family.name for family in openmetrics_families(answer.body.decode())}
    assert {"flowledger_projection_position", "flowledger_append_seconds"} <= names


@pytest.mark.parametrize("key", ["viewer", "auditor of all", "stranger"])
def test_any_key_can_scrape_metrics(api, key):
    assert scrape(api, key)


def test_scrape_without_a_key_is_refused(server, problem):
    from tests.dialects.suite import Call  # noqa: PLC0415 - the one call without a key

    assert problem(server.ask(Call("GET", "/metrics")), 401) == "unauthenticated"


async def test_scrape_during_a_postgres_outage_shows_process_metrics(own_cluster):
    await postgres.migrate_whole(own_cluster.url)
    settings = Settings(
        database_url=own_cluster.url, secret_key=bytes(32), grace_s=0, port=0, slots=3
    )
    async with serving(settings) as (service, address):
        made = await service.credentials.create(tenant="watch", role="viewer", name="prometheus")
        headers = {"Authorization": f"Bearer {made.token}"}
        async with aiohttp.ClientSession(address, headers=headers) as client:

            async def scraped():
                async with client.get("/metrics") as response:
                    assert response.status == 200
                    return samples(await response.text())

            assert value(await scraped(), "flowledger_database_up") == 1
            await asyncio.to_thread(own_cluster.kill)
            found = await scraped()
            assert value(found, "flowledger_database_up") == 0
            assert value(found, "flowledger_executor_running") == 0
            assert not any(name == "flowledger_projection_position" for name, _ in found)
            await asyncio.to_thread(own_cluster.start)
