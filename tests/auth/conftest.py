"""Credentials on a database of the test's own."""

import secrets

import pytest

from events.database import connect_pool
from events.store import Log
from service.auth.credentials import Credentials

SECRET_KEY = secrets.token_bytes(32)


@pytest.fixture
async def pool(database_url):
    pool = await connect_pool(database_url, max_size=4)
    yield pool
    await pool.close()


@pytest.fixture
async def credentials(pool):
    opened = Credentials(pool, Log(pool), SECRET_KEY)
    await opened.start()
    return opened
