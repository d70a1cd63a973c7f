"""A log that was dumped and restored elsewhere continues where it was."""

from dataclasses import replace

import pytest

from events.database import connect, connect_pool
from events.store import Log
from tests.events.builders import request
from tests.kit.dumps import dump, load


@pytest.fixture
async def restored_url(log, database_url, empty_database_url):
    await log.append([request("a", 0, 3, key="k"), request("b", 0)])
    load(dump(database_url, "--no-owner"), empty_database_url)
    return empty_database_url


async def test_restored_log_continues_at_its_head(restored_url, log):
    before = await log.read(0, 100)
    pool = await connect_pool(restored_url)
    restored = Log(pool)
    assert await restored.read(0, 100) == before
    again, conflict, appended = await restored.append(
        [request("a", 0, 3, key="k"), request("a", 0), request("a", 3, 2)]
    )
    assert again.duplicate
    assert replace(conflict) == type(conflict)("t", "a", 0, 3)
    assert (appended.first_position, appended.events[-1].version) == (5, 5)
    assert [event.position for event in await restored.read(4, 10)] == [5, 6]
    await pool.close()


async def test_restored_log_still_refuses_changes(restored_url):
    connection = await connect(restored_url, role=None)
    triggers = await connection.fetchval(
        "select count(*) from pg_trigger where tgname like 'refuse%' and tgenabled = 'O'"
    )
    assert triggers == 2 + 3 * 2 + 3
    await connection.close()
