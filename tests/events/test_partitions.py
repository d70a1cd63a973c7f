"""There is always a partition for the next event."""

import asyncio

import pytest

from events.envelope import AppendResult
from events.store import Log
from tests.events.builders import request
from tests.kit.duration import times

PARTITIONS = (
    "select relname from pg_class where relnamespace = 'log'::regnamespace and relispartition"
    " and relkind = 'r' order by relname"
)


@pytest.fixture
def database_url(fresh_database_url):
    return fresh_database_url


async def names(connection):
    return [row["relname"] for row in await connection.fetch(PARTITIONS)]


async def test_new_log_has_the_current_partition_and_two_ahead(app):
    assert await names(app) == ["events_000000", "events_000001", "events_000002"]


async def test_concurrent_callers_create_each_partition_once(log, owner):
    await owner.execute("update log.head set position = 12000000")
    made = await asyncio.gather(*(log.ensure_partitions() for _ in range(6)))
    assert sorted(made) == [0, 0, 0, 0, 0, 2]
    assert (await names(owner))[-1] == "events_000004"


@pytest.mark.torture
async def test_appends_continue_into_the_next_partition_under_load(log, batcher, owner):
    """The head is set just before the end of a partition, and load crosses it."""
    await owner.execute("update log.head set position = 4999900")
    count = times(300, 9000)
    answers = await asyncio.gather(*(batcher.append(request(f"s{n % 7}")) for n in range(count)))
    first = 4999901
    assert sorted(a.first_position for a in answers) == list(range(first, first + count))
    assert len(await log.read(4999900, 10_000)) == count
    await batcher.close()
    assert (await names(owner))[-1] == "events_000003"


async def test_new_partition_refuses_changes(log, owner):
    await owner.execute("update log.head set position = 15000000")
    await log.ensure_partitions()
    triggers = await owner.fetch(
        "select c.relname, array_agg(t.tgname::text order by t.tgname) as names from pg_trigger t"
        " join pg_class c on c.oid = t.tgrelid where c.relispartition group by 1"
    )
    assert {row["relname"] for row in triggers} == set(await names(owner))
    assert {tuple(row["names"]) for row in triggers} == {("refuse_rows", "refuse_statement")}


async def test_appends_continue_while_partitions_are_created(pool, owner):
    log = Log(pool)
    async with owner.transaction():
        await owner.execute("lock table only log.events in share update exclusive mode")
        [answer] = await log.append([request()])
    assert isinstance(answer, AppendResult)
