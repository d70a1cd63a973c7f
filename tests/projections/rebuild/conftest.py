"""A ledger whose read models can be rebuilt: its database may make schemas."""

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from events.migrate import migrate
from projections.rebuild.jobs import RebuildOptions
from projections.rebuild.start import rebuild
from projections.registry import discover
from tests.projections.conftest import opened
from tests.projections.test_runner import busy

OPTIONS = RebuildOptions("ann", "cli", workers=1)
BY_NAME = {projection.name: projection for projection in discover()}


@pytest.fixture
async def able_url(database_url):
    await migrate(database_url)  # the right to make schemas is the database's own, no copy has it
    return database_url


@pytest.fixture
async def able(able_url):
    async with opened(able_url) as ledger:
        yield ledger


async def rebuilt(ledger, name, **options):
    return await rebuild(ledger.url, name, replace(OPTIONS, **options))


async def told(ledger) -> list[dict]:
    """What the log tells about rebuilds."""
    events = await ledger.log.read_stream("*", "administration")
    return [{"type": event.type, "actor": event.actor, **event.data} for event in events]


@asynccontextmanager
async def busy_ledger(ledger, runs=60):
    """All read models at the head of a history, and kept there."""
    history = busy(runs)
    async with ledger.applying() as runner:
        head = await ledger.write(history)
        await ledger.reach(head)
        yield history, runner
