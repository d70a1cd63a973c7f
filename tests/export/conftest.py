"""A log to export, an empty ledger to import into, and connections to both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from events.database import Pool, connect, connect_pool
from events.store import Log
from tests import postgres


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await connect_pool(database_url)
    yield pool
    await pool.close()


@pytest.fixture
def log(pool: Pool) -> Log:
    return Log(pool)


@pytest.fixture
def other_url(postgres_run: Path, template_database: str) -> Iterator[str]:
    """An empty ledger."""
    with postgres.fresh_database(postgres_run, template_database) as url:
        yield url


@pytest.fixture
async def other_pool(other_url: str) -> AsyncIterator[Pool]:
    pool = await connect_pool(other_url)
    yield pool
    await pool.close()


@pytest.fixture
def other(other_pool: Pool) -> Log:
    return Log(other_pool)


@pytest.fixture
async def owner(other_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The role that owns the empty ledger."""
    connection = await connect(other_url, role=None)
    yield connection
    await connection.close()


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the service has it."""
    connection = await connect(database_url)
    yield connection
    await connection.close()
