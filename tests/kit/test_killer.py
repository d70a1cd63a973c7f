"""The killer kills its targets, and its kills reveal a store that cannot bear them."""

import asyncio
import signal

import asyncpg
import pytest

from events.database import DRIVER_ERRORS, connect, connect_pool
from events.errors import LogUnavailable
from events.migrate import migrate
from events.store import Log
from tests.events.builders import request
from tests.kit import naive
from tests.kit.gates import gate
from tests.kit.killer import OF_THIS_DATABASE, Killer
from tests.kit.processes import Process
from tests.waiting import until

AFTER_THE_ROWS = "after tests.kit.naive.Projector.write_rows 2"


async def test_killer_repeats_its_choices_with_the_same_seed():
    ones = [Killer(seed=7).random.random() for _ in range(3)]
    assert len(set(ones)) == 1
    assert Killer(seed=7).seed == 7


async def test_killed_process_can_be_restarted(database_url):
    await naive.set_up(database_url)
    victim, killer = Process("tests.kit.naive", database_url), Killer()
    for number in range(2):
        await victim.start()
        assert await killer.process([victim]) is victim
        assert victim.ended == -signal.SIGKILL
        assert killer.kills == {"processes": number + 1}


async def test_cut_ends_connections_of_one_database_but_its_own(database_url):
    owner, other = [await asyncpg.connect(database_url) for _ in range(2)]
    killer = Killer()
    await killer.cut(owner, most=5)
    assert killer.kills == {"connections": 1}
    await until(lambda: alone(owner))
    await owner.close()
    other.terminate()


async def alone(owner) -> bool:
    return not await owner.fetch(OF_THIS_DATABASE)


async def test_commits_survive_killed_backend_and_killed_server(own_cluster):
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


async def test_process_dies_at_the_named_point(database_url):
    await naive.set_up(database_url)
    doomed = Process(
        "tests.kit.crash_points",
        "before tests.kit.naive.project 1",
        "tests.kit.naive",
        database_url,
    )
    await doomed.start()
    assert await doomed.wait() == -signal.SIGKILL


async def test_gate_blocks_a_statement_until_opened_or_disconnected(database_url):
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
        await pool._pool.expire_connections()  # all were cut, and the pool may not have noticed yet
        async with gate(owner, table) as closed:
            append = asyncio.ensure_future(log.append([request(table, key=table)]))
            await closed.reached(append)
            await closed.open()
            assert (await append)[0].events
    assert await log.head() == 5
    await pool.close()
    await owner.close()


async def test_kills_reveal_a_checkpoint_committed_apart_from_its_rows(database_url):
    """The negative: killed after the rows, before the checkpoint that is written on its own."""
    await naive.set_up(database_url)
    connection = await asyncpg.connect(database_url)
    log = naive.NaiveLog(connection)
    for number in range(200):
        await log.append([request(f"s{number % 7}")])
    doomed = Process("tests.kit.crash_points", AFTER_THE_ROWS, "tests.kit.naive", database_url)
    await doomed.start()
    assert await doomed.wait() == -signal.SIGKILL
    projector = naive.Projector(connection)
    for _ in range(10):
        await projector.step(50)
    await connection.close()
    assert await naive.differing_counts(database_url) == 7


async def test_naive_checkpoint_passes_without_kills(database_url):
    await naive.set_up(database_url)
    connection = await asyncpg.connect(database_url)
    for number in range(200):
        await naive.NaiveLog(connection).append([request(f"s{number % 7}")])
    for _ in range(10):
        await naive.Projector(connection).step(50)
    await connection.close()
    assert await naive.differing_counts(database_url) == 0
