"""A log on a database of the test's own, and the parts of a process around it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import asyncpg
import pytest
import uvloop

from events.batcher import Batcher
from events.database import Pool, connect, connect_pool
from events.store import Log
from tests import postgres
from tests.events.builders import running


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """All run on uvloop; the modules that say EVERY_LOOP run on plain asyncio as well."""
    factories = {"uvloop": uvloop.new_event_loop}
    if getattr(item.module, "EVERY_LOOP", False):
        factories["asyncio"] = asyncio.new_event_loop
    return factories


@pytest.fixture(scope="session")
def shared_database_url(postgres_run: Path, template_database: str) -> Iterator[str]:
    with postgres.fresh_database(postgres_run, template_database) as url:
        yield url


@pytest.fixture
def fresh_database_url(postgres_run: Path, template_database: str) -> Iterator[str]:
    """A database for a test that changes more than rows."""
    with postgres.fresh_database(postgres_run, template_database) as url:
        yield url


@pytest.fixture
def database_url(shared_database_url: str) -> str:
    """An empty log: the database is shared, and emptied, which is much quicker than a new one."""
    postgres.apart(_empty(shared_database_url))
    return shared_database_url


async def _empty(url: str) -> None:
    connection = await connect(url, role=None)
    try:
        # The only way round the triggers that refuse it, and open to superusers alone.
        await connection.execute("set session_replication_role = replica")
        await connection.execute("truncate log.events, log.streams, log.event_ids, log.idempotency")
        await connection.execute("update log.head set position = 0, recorded_at = 'epoch'")
    finally:
        await connection.close()


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await connect_pool(database_url, max_size=8)
    yield pool
    await pool.close()


@pytest.fixture
def log(pool: Pool) -> Log:
    return Log(pool)


@pytest.fixture
async def batcher(log: Log) -> AsyncIterator[Batcher]:
    batcher = Batcher(log)
    async with running(batcher.run()):
        yield batcher
        await batcher.close()


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The role that owns the log: what it may not do, nobody may."""
    connection = await connect(database_url, role=None)
    yield connection
    await connection.close()


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the service has it."""
    connection = await connect(database_url)
    yield connection
    await connection.close()
