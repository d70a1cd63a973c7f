"""Connections that go silent: a proxy that swallows bytes and keeps all connections open."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from events import database as connections
from events import long_statements
from events.database import OPERATOR_TIMEOUT_S, Database, close_quietly, load
from events.errors import LogUnavailable
from events.store import Log
from tests.kit.silence import BOTH, EVERYTHING, NONE, TO_CLIENT, TO_SERVER, Silence, SilentProxy
from tests.waiting import until

SILENCES = {
    "to the server": Silence(TO_SERVER, TO_SERVER),
    "to the client": Silence(TO_CLIENT, TO_CLIENT),
    "both ways": EVERYTHING,
    "on open connections": Silence(BOTH, NONE),
}
each_silence = pytest.mark.parametrize("silence", SILENCES.values(), ids=SILENCES)


@pytest.fixture
async def proxy(database_url) -> AsyncIterator[SilentProxy]:
    async with SilentProxy(database_url).running() as proxy:
        yield proxy


@pytest.fixture
def frequent_looks(monkeypatch):
    """Look at a long statement every half second."""
    monkeypatch.setattr(long_statements, "CHECK_S", 0.5)


def long(proxy: SilentProxy) -> Database:
    return Database(proxy.url, statement_timeout_s=OPERATOR_TIMEOUT_S)


@each_silence
async def test_statement_on_a_silent_connection_ends_within_its_bound(proxy, silence):
    pool = await Database(proxy.url, statement_timeout_s=1).open_pool()
    log = Log(pool)
    await log.head()
    proxy.go_silent(silence)
    for _ in range(2):  # the second one finds no connection, or a new one
        began = time.monotonic()
        with contextlib.suppress(LogUnavailable):
            await log.head()
        assert time.monotonic() - began < 10
    proxy.heal()
    await log.head()
    await pool.close()


async def test_pool_with_silent_connections_closes_within_its_bound(proxy):
    pool = await Database(proxy.url).open_pool(min_size=3)
    proxy.go_silent()
    async with asyncio.timeout(10):
        await pool.close()


@each_silence
@pytest.mark.usefixtures("frequent_looks")
async def test_long_statement_whose_answer_was_lost_ends_once_the_database_is_back(proxy, silence):
    connection = await long(proxy).connect()
    await connection.fetchval("select 1")
    if silence.open <= TO_CLIENT:
        running = asyncio.create_task(connection.fetchval("select 1 from pg_sleep(0.5)"))
        await asyncio.sleep(0.2)
        proxy.go_silent(silence)
    else:
        proxy.go_silent(silence)
        running = asyncio.create_task(connection.fetchval("select 1 from pg_sleep(0.5)"))
    await asyncio.sleep(1.5)
    assert not running.done() or silence.new == NONE
    proxy.heal()
    async with asyncio.timeout(30):  # outside: its own error is an OSError too
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await running
    assert connection.is_closed()


@pytest.mark.usefixtures("frequent_looks")
async def test_copy_whose_rows_were_lost_ends_once_the_database_is_back(proxy):
    connection = await long(proxy).connect(role=None)
    await connection.execute("create temp table copied (a text)")
    proxy.go_silent(Silence(TO_SERVER, NONE))
    rows = [("x" * 1000,)] * 3000
    async with asyncio.timeout(30):  # outside: its own error is an OSError too
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await connection.copy_records_to_table("copied", records=rows)


@pytest.mark.usefixtures("frequent_looks")
async def test_locks_of_a_long_statement_are_free_once_its_answer_counts_as_lost(
    proxy, database_url
):
    connection = await long(proxy).connect()
    await connection.fetchval("select pg_advisory_lock(17)")
    proxy.go_silent(Silence(BOTH, NONE))
    async with asyncio.timeout(30):  # outside: its own error is an OSError too
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await connection.fetchval("select 1")
    other = await asyncpg.connect(database_url)

    async def is_free() -> bool:
        return bool(await other.fetchval("select pg_try_advisory_lock(17)"))

    await until(is_free, within_s=10)
    await other.close()


@pytest.mark.usefixtures("frequent_looks")
async def test_long_statement_that_goes_on_is_left_alone(proxy):
    connection = await long(proxy).connect()
    assert await connection.fetchval("select 1 from pg_sleep(4)") == 1
    await close_quietly(connection)


@pytest.mark.usefixtures("frequent_looks")
async def test_connection_that_rests_between_long_statements_is_left_alone(proxy):
    connection = await long(proxy).connect()
    await connection.fetchval("select 1")
    await asyncio.sleep(3)
    assert await connection.fetchval("select 1") == 1
    await close_quietly(connection)


async def test_transaction_of_a_client_that_is_silent_ends_on_the_server(
    proxy, database_url, monkeypatch
):
    monkeypatch.setattr(connections, "IDLE_IN_TRANSACTION_S", 1.0)
    connection = await Database(proxy.url).connect()
    await connection.execute("begin; select pg_advisory_xact_lock(18)")
    proxy.go_silent(Silence(BOTH, NONE))
    other = await asyncpg.connect(database_url)

    async def is_free() -> bool:
        return bool(await other.fetchval("select pg_try_advisory_lock(18)"))

    await until(is_free, within_s=20)
    await other.close()
    connection.terminate()


async def test_sockets_of_connections_have_keepalive_and_a_bound_for_sent_bytes(proxy):
    connection = await Database(proxy.url).connect()
    end = connection._transport.get_extra_info("socket")
    assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    options = {
        name: end.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
        for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
    }
    assert options == {
        "TCP_KEEPIDLE": 5,
        "TCP_KEEPINTVL": 5,
        "TCP_KEEPCNT": 2,
        "TCP_USER_TIMEOUT": 15_000,
    }
    await connection.close()


async def test_server_is_asked_for_the_same_on_its_side(proxy, monkeypatch):
    # The server of the tests may listen on a socket file, where it shows 0 for all of them.
    asked = {}

    async def fetch(self, statement, *parameters):
        if statement == load(connections._SQL, "set_session"):
            asked.update(zip(*parameters, strict=True))
        return await original(self, statement, *parameters)

    original = asyncpg.Connection.fetch
    monkeypatch.setattr(asyncpg.Connection, "fetch", fetch)
    connection = await Database(proxy.url).connect()
    assert asked["tcp_keepalives_idle"] == "5"
    assert asked["tcp_keepalives_interval"] == "5"
    assert asked["tcp_keepalives_count"] == "2"
    assert asked["tcp_user_timeout"] == "15000"
    await connection.close()
