"""Folders of flows, written by the tests, and a log to register them in."""

from collections.abc import AsyncIterator

import pytest

from events.database import connect_pool
from events.store import Log
from tests.unit.flows.conftest import folder

__all__ = ["folder", "log"]


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[Log]:
    """A log of the test's own."""
    pool = await connect_pool(database_url, max_size=4)
    yield Log(pool)
    await pool.close()
