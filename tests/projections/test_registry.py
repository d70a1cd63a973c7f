"""The read models that there are, their schemas, their versions, their lag."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

import projections
from events.database import connect
from events.errors import LogUnavailable
from events.migrate import migrate
from projections.errors import UnknownProjection
from projections.registry import create_schemas, discover, open_read_pool, serving, status
from tests.projections.conftest import NAMES
from tests.projections.histories import History

MIGRATIONS = Path(projections.__file__).parent / "sql" / "migrations"
EXECUTIONS = next(p for p in discover() if p.name == "executions")


def test_every_folder_of_the_read_models_is_found():
    assert NAMES == ["dispatch", "executions", "listings", "load_plans", "workflows"]


async def test_schemas_are_made_once_by_however_many_ask(empty_database_url):
    await migrate(empty_database_url, [MIGRATIONS])
    made = await asyncio.gather(*(create_schemas(empty_database_url) for _ in range(4)))

    assert sorted(name for names in made for name in names) == [p.schema for p in discover()]


async def test_the_role_that_the_service_works_as_owns_the_tables(ledger):
    owners = await ledger.pool.fetch(
        "select distinct tableowner from pg_tables where schemaname = any($1::text[])",
        [p.schema for p in discover()],
    )

    assert [owner for (owner,) in owners] == ["flowledger_app"]


async def test_a_new_version_stands_beside_the_one_that_answers(ledger):
    assert await _create_second(ledger.url) == ["executions_v2"]

    assert (await serving(ledger.pool))["executions"] == 1
    rows = [row for row in await status(ledger.pool) if row["name"] == "executions"]
    assert [(row["version"], row["serving"]) for row in rows] == [(1, True), (2, False)]


async def test_a_reader_sees_rows_and_position_of_the_version_its_path_names(ledger):
    history = History()
    history.register()
    history.queue()
    await _create_second(ledger.url)
    head = await ledger.write(history)
    async with ledger.applying():
        await ledger.reach(head)

    answers = {}
    for schema in ("executions_v1", "executions_v2"):
        connection = await connect(ledger.url, search_path=schema)
        answers[schema] = (
            await connection.fetchval("select count(*) from executions"),
            await connection.fetchval("select position from executions_checkpoint"),
        )
        await connection.close()
    assert answers == {"executions_v1": (1, 2), "executions_v2": (0, 0)}


async def test_status_tells_how_far_behind_a_read_model_is(ledger):
    history = History()
    history.register()
    history.queue()
    await ledger.write(history)
    async with ledger.applying([EXECUTIONS]):
        await ledger.reach(2, ["executions"])

    rows = {row["name"]: row for row in await status(ledger.pool)}
    assert rows["executions"] == {
        "name": "executions",
        "version": 1,
        "serving": True,
        "position": 2,
        "head": 2,
        "lag_events": 0,
        "lag_s": 0.0,
        "state": "running",
        "error": None,
        "error_position": None,
    }
    assert (rows["listings"]["position"], rows["listings"]["lag_events"]) == (0, 2)
    assert rows["listings"]["lag_s"] > 0


async def test_a_read_model_that_is_not_set_up_is_named(empty_database_url):
    await migrate(empty_database_url, [MIGRATIONS])

    with pytest.raises(UnknownProjection, match="dispatch, executions"):
        await open_read_pool(empty_database_url)


async def test_a_database_that_is_not_migrated_is_unavailable(empty_database_url):
    with pytest.raises(LogUnavailable):
        await create_schemas(empty_database_url)


async def _create_second(url: str) -> list[str]:
    await migrate(url)  # the right to make schemas is the database's own, and no copy has it
    return await create_schemas(url, [replace(EXECUTIONS, version=2)])
