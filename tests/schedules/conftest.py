"""Schedulers on the test's own database, with a clock that the test sets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from tests.schedules.scheduler_process import FakeClock, SchedulerProcess, open_scheduler_process


@pytest.fixture
async def nodes(database_url: str) -> AsyncIterator[Callable[[int], list[SchedulerProcess]]]:
    """Opens a number of processes with a scheduler, all with the same clock."""
    # Registrations use the log's clock, which no test sets: do not start right before a full hour.
    while (datetime.now(UTC) + timedelta(seconds=10)).hour != datetime.now(UTC).hour:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    async with AsyncExitStack() as stack:
        clock = FakeClock()

        async def several(count: int) -> list[SchedulerProcess]:
            opening = (open_scheduler_process(database_url, clock) for _ in range(count))
            return [await stack.enter_async_context(each) for each in opening]

        yield several


@pytest.fixture
async def node(nodes) -> SchedulerProcess:
    """One process with a scheduler."""
    [node] = await nodes(1)
    return node
