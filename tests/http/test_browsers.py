"""Pages of other sites change nothing and read nothing, unless an operator allows their site."""

import pytest
from aiohttp.test_utils import TestClient
from prometheus_client import CollectorRegistry

from service.http.server import web_application
from service.metrics.requests import RequestMetrics
from service.settings import Settings
from tests.kit.http_server import BoundedTestServer

CONSOLE = "https://console.example.com"
RUNS, RUN = "/acme/runs", "/acme/runs/7"


@pytest.fixture
async def guarded(credentials, vendor, own_dialect):
    """A client of a server with a list of hosts and an allowed site."""
    application = web_application(
        credentials,
        vendors=[vendor],
        own=own_dialect,
        settings=Settings(
            allowed_hosts=frozenset({"ledger.example.com"}), allowed_origins=frozenset({CONSOLE})
        ),
        metrics=RequestMetrics(CollectorRegistry()),
    )
    async with TestClient(BoundedTestServer(application)) as client:
        yield client


@pytest.fixture
def served(bearer):
    return bearer | {"Host": "ledger.example.com"}


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://ledger.example.com.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_change_that_a_page_of_another_site_sends_is_refused(client, bearer, headers):
    answer = await client.post(RUNS, headers=bearer | headers, json={})
    assert ((await answer.json())["vendor"], answer.status) == ("acme", 403)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_page_of_another_site_is_not_shown_an_answer(client, bearer, headers):
    for answer in (
        await client.get(RUN, headers=bearer | headers),
        await client.options(RUNS, headers=headers | {"Access-Control-Request-Method": "POST"}),
    ):
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_own_page_and_programs_may_send_changes(client, bearer):
    own = f"http://{client.host}:{client.port}"
    for headers in ({}, {"Origin": own}, {"Sec-Fetch-Site": "same-origin"}):
        assert (await client.post(RUNS, headers=bearer | headers, json={})).status == 201


async def test_page_of_an_allowed_site_may_do_what_its_credential_may(guarded, served):
    origin = {"Origin": CONSOLE}
    asked = await guarded.options(
        RUNS,
        headers={
            **origin,
            "Host": "ledger.example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert asked.status == 204
    assert asked.headers["Access-Control-Allow-Origin"] == CONSOLE
    assert asked.headers["Access-Control-Allow-Headers"] == "authorization,content-type"
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    for answer in (
        await guarded.post(RUNS, headers=served | origin, json={}),
        await guarded.get(RUN, headers=served | origin),
        await guarded.get(RUN, headers=origin | {"Host": "ledger.example.com"}),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == CONSOLE
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Origin" in answer.headers["Vary"]
    assert answer.status == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("ledger.example.com", 200),
        ("LEDGER.example.com:8443", 200),
        ("evil.example", 421),
        ("ledger.example.com.evil.example", 421),
        ("127.0.0.1", 421),
    ],
)
async def test_only_hosts_on_the_list_are_served(guarded, bearer, host, status):
    answer = await guarded.get(RUN, headers=bearer | {"Host": host})
    assert ((await answer.json()).get("vendor", "acme"), answer.status) == ("acme", status)


async def test_every_answer_says_what_it_is_and_not_which_release(client, bearer):
    for answer in (await client.get(RUN, headers=bearer), await client.get("/nowhere")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "flowledger"


async def test_page_is_shown_in_no_frame(client):
    answer = await client.get("/docs")
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
