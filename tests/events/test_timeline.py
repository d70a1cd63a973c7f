"""A process notices that its database was replaced by an older copy, and stops before it writes."""

import asyncio

import pytest

from events.database import Database, connect, translate_errors
from events.errors import LedgerReplaced, LogUnavailable
from events.follow import Feed
from events.store import Log
from events.timeline import Timeline
from tests.events.builders import request, running
from tests.waiting import until


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    pool = await database.open_pool()
    log = Log(pool)
    [answer] = await log.append([request("s", events=5)])
    database.timeline.observe(answer.events)
    yield database
    await pool.close()


async def lose_tail(url: str, head: int) -> None:
    """Do to the log in place what a restore does: events beyond a position were never there."""
    owner = await connect(url, role=None)
    await owner.execute("set session_replication_role = replica")
    for statement in (
        "delete from log.events where position > $1",
        "delete from log.event_ids where position > $1",
        "update log.streams set version = least(version, $1)",
        "update log.head set position = $1",
    ):
        await owner.execute(statement, head)
    await owner.close()


async def test_new_connection_to_a_log_that_ends_earlier_is_refused(database, database_url):
    await lose_tail(database_url, 3)
    with pytest.raises(LedgerReplaced, match="its log ends at position 3, not 5"):
        await database.connect()
    assert database.timeline.replaced.is_set()


async def test_new_connection_to_a_log_with_another_event_is_refused(database, database_url):
    await lose_tail(database_url, 3)
    other = await Database(database_url).open_pool()
    await Log(other).append([request("other", events=9)])
    await other.close()
    with pytest.raises(LedgerReplaced, match="it has another event at position 5"):
        await database.connect()


async def test_new_connection_to_a_log_that_only_grew_is_used(database, database_url):
    other = await Database(database_url).open_pool()
    await Log(other).append([request("other", events=9)])
    await other.close()
    connection = await database.connect()
    assert await connection.fetchval("select position from log.head") == 14
    await connection.close()


async def test_append_to_a_log_that_ends_earlier_writes_nothing(database, database_url):
    pool = await database.open_pool(max_size=1)
    assert await Log(pool).head() == 5  # the connection is open, and was right
    await lose_tail(database_url, 3)
    with pytest.raises(LedgerReplaced, match="its log ends at position 3, not 5"):
        await Log(pool).append([request("late")])
    owner = await connect(database_url, role=None)
    assert await owner.fetchval("select position from log.head") == 3
    await owner.close()
    await pool.close()


async def test_open_pool_is_refused_once_the_database_was_replaced(database):
    pool = await database.open_pool(max_size=1)
    with pytest.raises(LedgerReplaced):
        database.timeline.declare_replaced("a test says so")
    with pytest.raises(LedgerReplaced, match="a test says so"):
        await Log(pool).head()
    await pool.close()


async def test_idle_feed_on_an_open_connection_notices_another_history(database_url):
    database = Database(database_url)
    pool = await database.open_pool()
    log = Log(pool)
    feed, errors = Feed(log), []

    async def follow():
        try:
            await feed.run()
        except LogUnavailable as error:
            errors.append(error)

    await log.append([request("s", events=5)])
    async with running(follow()):
        await until(lambda: feed.head == 5)
        await lose_tail(database_url, 2)
        other = await Database(database_url).open_pool()
        await Log(other).append([request("other", events=9)])
        await other.close()
        async with asyncio.timeout(10):
            await database.timeline.replaced.wait()
    assert "another event at position" in str(database.timeline.reason)
    await pool.close()


async def test_standby_is_unavailable_and_raises_no_alarm():
    class Standby:
        async def fetchrow(self, *_):
            return {"head": 1, "leaf_hash": None, "is_standby": True}

    timeline = Timeline()
    timeline.position = 5
    with pytest.raises(LogUnavailable, match="standby") as refused:
        await timeline.verify(Standby())
    assert not isinstance(refused.value, LedgerReplaced)
    timeline.require_intact()


async def test_missing_witness_is_an_alarm():
    timeline = Timeline()

    async def witness(_connection):
        return "a block of numbers is gone"

    timeline.add_witness(witness)
    with pytest.raises(LedgerReplaced, match="a block of numbers is gone"):
        await timeline.verify(None)


async def test_silent_statement_ends_at_its_timeout_and_frees_its_connection(database_url):
    database = Database(database_url, statement_timeout_s=1)
    pool = await database.open_pool(max_size=1)
    with pytest.raises(LogUnavailable), translate_errors():
        await pool.fetchval("select pg_sleep(60)")
    assert await pool.fetchval("select 1") == 1
    await pool.close()


async def test_full_pool_is_unavailable_instead_of_a_wait_without_end(database_url, monkeypatch):
    monkeypatch.setattr("events.database.CONNECT_TIMEOUT_S", 0.2)
    pool = await Database(database_url).open_pool(max_size=1)
    async with pool.acquire():
        with pytest.raises(LogUnavailable, match="no answer in time"), translate_errors():
            await pool.fetchval("select 1")
    await pool.close()
