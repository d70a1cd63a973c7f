"""Behind PgBouncer: whole sessions work; pooled transactions and statements are refused."""

import asyncio
import contextlib

import asyncpg
import pytest

from events import follow
from events.database import Database, connect_pool, translate_errors
from events.errors import LogUnavailable, SessionRefused
from events.follow import Feed, Notifier
from events.migrate import migrate
from events.store import Log
from tests.events.builders import request, running
from tests.kit.pgbouncer import pgbouncer
from tests.waiting import until


async def test_whole_sessions_keep_role_search_path_and_timeouts(database_url):
    with pgbouncer(database_url) as url:
        database = Database(url)
        pool = await database.open_pool(min_size=3, search_path="executions_v1")
        row = await pool.fetchrow(
            "select current_user::text, current_setting('search_path'),"
            " current_setting('statement_timeout'), $1::uuid",
            "ef8f9f90-6a3d-429c-ac67-3c9d5a9e3453",
        )
        assert tuple(row) == (
            "flowledger_app",
            "executions_v1",
            "10s",
            "ef8f9f90-6a3d-429c-ac67-3c9d5a9e3453",
        )
        await pool.close()


async def test_notification_wakes_the_feed_of_another_process(database_url, monkeypatch):
    monkeypatch.setattr(follow, "POLL_S", 600)
    with pgbouncer(database_url) as url:
        writing, reading = Database(url), Database(url)
        log = Log(await writing.open_pool())
        feed, notifier = Feed(Log(await reading.open_pool())), Notifier(writing)
        async with running(feed.run()), running(notifier.run()):
            await until(lambda: feed._started)
            [answer] = await log.append([request("s", events=3)])
            notifier.notify(answer.events)
            await until(lambda: feed.head == 3)


@pytest.mark.parametrize("pool_mode", ["transaction", "statement"])
@pytest.mark.parametrize("settings", [{}, {"default_pool_size": 1}, {"server_round_robin": 1}])
async def test_shared_sessions_are_refused_with_the_cure(database_url, pool_mode, settings):
    with pgbouncer(database_url, pool_mode, **settings) as url:
        for attempt in (Database(url).connect, Database(url).open_pool, lambda: migrate(url)):
            with pytest.raises(SessionRefused, match="pool_mode = session"):
                await attempt()


@pytest.mark.parametrize("settings", [{}, {"server_round_robin": 1}])
async def test_shared_sessions_are_refused_while_other_clients_use_them(database_url, settings):
    async def work(url):
        connection = await asyncpg.connect(url, statement_cache_size=0)
        try:
            while True:
                await connection.execute("select pg_sleep(0.001)")
        finally:
            connection.terminate()

    with pgbouncer(database_url, "transaction", **settings) as url:
        async with contextlib.AsyncExitStack() as others:
            for _ in range(8):
                await others.enter_async_context(running(work(url)))
            await asyncio.sleep(0.2)
            for _ in range(20):
                with pytest.raises(SessionRefused, match="pool_mode = session"):
                    await Database(url).connect()


async def test_whole_sessions_are_never_taken_for_shared_ones(database_url):
    with pgbouncer(database_url, server_round_robin=1) as url:
        for _ in range(10):
            pool = await Database(url).open_pool(min_size=2)
            await pool.close()


async def test_pool_without_a_second_session_is_named(database_url):
    with (
        pgbouncer(database_url, default_pool_size=1) as url,
        pytest.raises(LogUnavailable, match="default_pool_size"),
        translate_errors(),
    ):
        await Database(f"{url}&connect_timeout=1").connect()


async def test_wrong_password_is_refused_by_name(database_url):
    with pgbouncer(database_url) as url:
        user = url.partition("://")[2].partition(":")[0]
        other = url.replace(url.partition("://")[2].partition("@")[0], f"{user}:wrong")
        with pytest.raises(LogUnavailable, match="authentication failed"):
            await connect_pool(other)
