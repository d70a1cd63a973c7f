"""The ground the tests stand on."""

import asyncpg
import pytest


async def ask(url, question):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_each_test_has_a_database_of_its_own(database_url, empty_database_url):
    names = {
        await ask(url, "SELECT current_database()") for url in (database_url, empty_database_url)
    }

    assert len(names) == 2


async def test_an_empty_database_holds_no_tables_of_ours(empty_database_url):
    assert await ask(empty_database_url, "SELECT to_regnamespace('log')") is None


async def test_a_killed_cluster_comes_back_with_what_was_committed(own_cluster):
    await ask(own_cluster.url, "CREATE TABLE kept AS SELECT 42 AS answer")

    own_cluster.kill()
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await ask(own_cluster.url, "SELECT 1")
    own_cluster.start()

    assert await ask(own_cluster.url, "SELECT answer FROM kept") == 42


async def test_a_stopped_cluster_starts_again_at_the_same_address(own_cluster):
    own_cluster.stop()
    own_cluster.start()

    assert await ask(own_cluster.url, "SELECT 1") == 1
