"""Schedulers on the test's own database, and the hands of their clock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from tests.schedules.clockwork import Clockwork, open_clockwork


@pytest.fixture
async def clockworks(database_url: str) -> AsyncIterator[Callable[[int], list[Clockwork]]]:
    """Opens as many processes with a scheduler as it asks for, all with the same clock."""
    # What is registered is registered by the log's clock, which no test sets: not across an hour.
    while (datetime.now(UTC) + timedelta(seconds=10)).hour != datetime.now(UTC).hour:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    async with AsyncExitStack() as stack:
        hands = Clockwork.Hands()

        async def several(count: int) -> list[Clockwork]:
            opening = (open_clockwork(database_url, hands) for _ in range(count))
            return [await stack.enter_async_context(each) for each in opening]

        yield several


@pytest.fixture
async def clockwork(clockworks) -> Clockwork:
    """One process with a scheduler."""
    [clockwork] = await clockworks(1)
    return clockwork
