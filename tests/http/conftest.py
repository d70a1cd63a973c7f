"""A real server with two small dialects behind the pipeline, and keys on a real database."""

import asyncio
import importlib.util
import io
import json
import logging
import secrets
from pathlib import Path

import pytest
import structlog
from aiohttp.test_utils import TestClient
from prometheus_client import CollectorRegistry

from events.database import connect_pool
from events.store import Log
from service.auth.credentials import Credentials
from service.http.server import web_application
from service.metrics.requests import RequestMetrics
from service.ops.logs import configure_logs
from service.settings import Settings
from tests.kit.http_server import BoundedTestServer

_spec = importlib.util.spec_from_file_location(
    "small_dialects", Path(__file__).parent / "dialects.py"
)
dialects = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(dialects)

MAX_BODY = 1000


@pytest.fixture
async def credentials(database_url):
    pool = await connect_pool(database_url, max_size=2)
    opened = Credentials(pool, Log(pool), secrets.token_bytes(32))
    await opened.start()
    yield opened
    await pool.close()


@pytest.fixture
def failures():
    """What the failing routes raise: put it in here."""
    dialects.FAILURES.clear()
    return dialects.FAILURES


@pytest.fixture
def waiting():
    """What the waiting routes were asked, and what they wait for."""
    dialects.WAITING.clear()
    dialects.LET_GO = asyncio.Event()  # an event belongs to the loop that waits for it first
    return dialects.WAITING, dialects.LET_GO


@pytest.fixture
def vendor():
    return dialects.small_dialect("acme", "/acme")


@pytest.fixture
def own_dialect():
    return dialects.small_dialect("own", "/own")


@pytest.fixture
def registry():
    """Where the server's metrics are."""
    return CollectorRegistry()


@pytest.fixture
async def client(credentials, vendor, own_dialect, failures, registry):
    application = web_application(
        credentials,
        vendors=[vendor],
        own=own_dialect,
        settings=Settings(max_body=MAX_BODY),
        metrics=RequestMetrics(registry),
    )
    async with TestClient(BoundedTestServer(application)) as client:
        yield client


@pytest.fixture
def logged():
    """Every entry of the log so far."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    configure_logs(format="json", level="debug", stream=stream)
    yield lambda: [
        entry
        for entry in map(json.loads, stream.getvalue().splitlines())
        if entry["logger"].startswith("service.") or entry["level"] == "error"
    ]
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
async def bearer(credentials):
    """Headers of an operator's key."""
    created = await credentials.create(tenant="globex", role="operator", name="night shift")
    return {"Authorization": f"Bearer {created.token}"}
