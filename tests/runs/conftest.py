"""Processes for the tests: as many as they ask for, on the test's own database."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from events.database import connect_pool
from events.store import Log
from tests.runs.processes import FLOWS, Process, open_process, register


@pytest.fixture
async def processes(database_url: str) -> AsyncIterator[Callable[[int], list[Process]]]:
    """Opens as many processes on the test's database as it asks for; the flows are registered."""
    pool = await connect_pool(database_url, max_size=1)
    await register(Log(pool), *FLOWS)
    await pool.close()
    async with AsyncExitStack() as stack:

        async def several(count: int) -> list[Process]:
            opened = (stack.enter_async_context(open_process(database_url)) for _ in range(count))
            return [await process for process in opened]

        yield several


@pytest.fixture
async def process(processes) -> Process:
    """One process."""
    [process] = await processes(1)
    return process
