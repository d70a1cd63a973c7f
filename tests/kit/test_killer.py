"""The killer kills whom it names, and what it does to a store that cannot bear it is seen."""

import asyncio
import signal

import asyncpg
import pytest

from events.database import DRIVER_ERRORS, connect, connect_pool
from events.errors import LogUnavailable
from events.migrate import migrate
from events.store import Log
from tests.events.making import request
from tests.kit import naive
from tests.kit.gates import gate
from tests.kit.killer import OF_THIS_DATABASE, Killer
from tests.kit.processes import Process
from tests.waiting import until

AFTER_THE_ROWS = "after tests.kit.naive.Projector.write_rows 2"


async def test_it_does_the_same_again_from_the_same_seed():
    ones = [Killer(seed=7).random.random() for _ in range(3)]
    assert len(set(ones)) == 1
    assert Killer(seed=7).seed == 7


async def test_it_kills_a_process_that_can_be_started_again(database_url):
    await naive.set_up(database_url)
    victim, killer = Process("tests.kit.naive", database_url), Killer()
    for number in range(2):
        await victim.start()
        assert await killer.process([victim]) is victim
        assert victim.ended == -signal.SIGKILL
        assert killer.kills == {"processes": number + 1}


async def test_it_cuts_connections_of_one_database_and_not_its_own(database_url):
    owner, other = [await asyncpg.connect(database_url) for _ in range(2)]
    killer = Killer()
    await killer.cut(owner, most=5)
    assert killer.kills == {"connections": 1}
    await until(lambda: alone(owner))
    await owner.close()
    other.terminate()


async def alone(owner) -> bool:
    return not await owner.fetch(OF_THIS_DATABASE)


async def test_a_killed_backend_and_a_killed_server_come_back_with_what_was_committed(own_cluster):
    await migrate(own_cluster.url)
    pool = await connect_pool(own_cluster.url)
    killer, log = Killer(), Log(pool)
    await log.append([request()])
    await killer.backend(own_cluster)
    await until(lambda: _answers(own_cluster.url))
    await killer.postgres(own_cluster)
    assert killer.kills == {"backends": 1, "servers": 1}
    pool.terminate()
    pool = await connect_pool(own_cluster.url)
    assert await Log(pool).head() == 1
    await pool.close()


async def _answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=1)
    except DRIVER_ERRORS:
        return False
    await connection.close()
    return True


async def test_a_process_dies_at_the_point_that_is_named(database_url):
    await naive.set_up(database_url)
    doomed = Process(
        "tests.kit.points", "before tests.kit.naive.project 1", "tests.kit.naive", database_url
    )
    await doomed.start()
    assert await doomed.wait() == -signal.SIGKILL


async def test_a_gate_holds_a_statement_until_it_is_opened_or_cut(database_url):
    owner, pool = await connect(database_url, role=None), await connect_pool(database_url)
    log, killer = Log(pool), Killer()
    for table in ("log.events", "log.event_ids", "log.streams", "log.idempotency", "log.head"):
        async with gate(owner, table) as closed:
            append = asyncio.ensure_future(log.append([request(table, key=table)]))
            await closed.reached(append)
            assert not append.done()
            await killer.cut(owner, most=9)
            with pytest.raises(LogUnavailable):
                await append
        async with gate(owner, table) as closed:
            append = asyncio.ensure_future(log.append([request(table, key=table)]))
            await closed.reached(append)
            await closed.open()
            assert (await append)[0].events
    assert await log.head() == 5
    await pool.close()
    await owner.close()


async def test_it_sees_that_a_checkpoint_apart_from_its_rows_counts_twice(database_url):
    """The negative: killed after the rows, before the checkpoint that is written on its own."""
    await naive.set_up(database_url)
    connection = await asyncpg.connect(database_url)
    log = naive.NaiveLog(connection)
    for number in range(200):
        await log.append([request(f"s{number % 7}")])
    doomed = Process("tests.kit.points", AFTER_THE_ROWS, "tests.kit.naive", database_url)
    await doomed.start()
    assert await doomed.wait() == -signal.SIGKILL
    projector = naive.Projector(connection)
    for _ in range(10):
        await projector.step(50)
    await connection.close()
    assert await naive.differing_counts(database_url) == 7


async def test_it_finds_nothing_in_that_store_while_nobody_is_killed(database_url):
    await naive.set_up(database_url)
    connection = await asyncpg.connect(database_url)
    for number in range(200):
        await naive.NaiveLog(connection).append([request(f"s{number % 7}")])
    for _ in range(10):
        await naive.Projector(connection).step(50)
    await connection.close()
    assert await naive.differing_counts(database_url) == 0
