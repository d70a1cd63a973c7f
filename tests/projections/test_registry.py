"""The read models that there are, their schemas, their versions, their lag."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

import projections
from events.database import Database, connect
from events.errors import LogUnavailable
from events.migrate import migrate
from projections.errors import UnknownProjection, UnknownSchemaVersion
from projections.projection import Version
from projections.registry import (
    create_indexes,
    create_schemas,
    create_tables,
    discover,
    open_read_pool,
    servable_versions,
    serving_numbers,
    status,
)
from service.ops.migrations import RIGHTS
from tests.projections.conftest import NAMES, SCHEMAS
from tests.projections.histories import History
from tests.waiting import until

MIGRATIONS = Path(projections.__file__).parent / "sql" / "migrations"
EXECUTIONS = next(p for p in discover() if p.name == "executions")
NEWER = EXECUTIONS.schema_version + 1
"""The schema version of a later release, whatever this one's is."""


def test_every_folder_of_the_read_models_is_found():
    assert NAMES == ["dispatch", "executions", "listings", "load_plans", "workflows"]


async def test_concurrent_set_up_creates_each_schema_once(empty_database_url):
    await migrate(empty_database_url, [MIGRATIONS], RIGHTS)
    made = await asyncio.gather(*(create_schemas(empty_database_url) for _ in range(4)))

    assert sorted(name for names in made for name in names) == SCHEMAS


async def test_tables_are_owned_by_the_role_of_the_service(ledger):
    owners = await ledger.pool.fetch(
        "select distinct tableowner from pg_tables where schemaname = any($1::text[])",
        SCHEMAS,
    )

    assert [owner for (owner,) in owners] == ["flowledger_app"]


async def test_new_version_is_built_while_the_first_one_serves(ledger):
    await _create_second(ledger)

    assert (await serving_numbers(ledger.pool))["executions"] == 1
    rows = [row for row in await status(ledger.pool) if row["name"] == "executions"]
    assert [(row["version"], row["serving"], row["state"]) for row in rows] == [
        (1, True, "running"),
        (2, False, "building"),
    ]


async def test_repeated_migrate_with_a_new_schema_version_requests_one_rebuild(
    ledger,
):
    newer = [replace(EXECUTIONS, schema_version=NEWER)]

    requested = [f"rebuild of executions in schema version {NEWER}"]
    assert await create_schemas(ledger.url, newer) == requested
    assert await create_schemas(ledger.url, newer) == []
    rows = await ledger.pool.fetch(
        "select name, new_version, schema_version, phase from projections.rebuilds"
    )
    assert [tuple(row) for row in rows] == [("executions", 2, NEWER, "waiting")]


async def test_migrate_of_an_older_release_changes_nothing(ledger):
    await ledger.pool.execute("update projections.checkpoints set schema_version = $1", NEWER)

    assert await create_schemas(ledger.url) == []
    assert await ledger.pool.fetchval("select count(*) from projections.rebuilds") == 0


async def test_release_that_does_not_know_the_serving_version_serves_the_previous_one(ledger):
    await _create_second(ledger, schema_version=NEWER)
    await ledger.pool.execute(
        "update projections.registry set serving_version = 2, previous_version = 1"
        " where name = 'executions'"
    )
    newer = [replace(EXECUTIONS, schema_version=NEWER)]

    assert (await servable_versions(ledger.pool, [EXECUTIONS]))["executions"].number == 1
    assert (await servable_versions(ledger.pool, [EXECUTIONS, *newer]))["executions"].number == 2
    unknown = f"executions version 2 has schema version {NEWER}"
    with pytest.raises(UnknownSchemaVersion, match=unknown):
        await servable_versions(ledger.pool, [replace(EXECUTIONS, schema_version=NEWER + 1)])


async def test_unknown_schema_version_is_left_to_another_release(ledger):
    await _create_second(ledger, schema_version=NEWER)
    await ledger.pool.execute("update projections.checkpoints set state = 'running'")
    async with ledger.applying() as runner:
        await until(lambda: runner.states.get("executions_v1") == "running")

        assert runner.states["executions_v2"] == "standing by"


async def test_runner_applies_a_version_once_it_is_built(ledger):
    history = History()
    history.register()
    history.queue()
    head = await ledger.write(history)
    async with ledger.applying() as runner:
        await ledger.reach(head)
        await _create_second(ledger)
        await ledger.pool.execute("update projections.checkpoints set state = 'running'")
        runner.notify()
        await until(lambda: runner.positions.get("executions_v2") == head)
        await ledger.pool.execute("select projections.drop_version('executions', 2)")
        runner.notify()
        await until(lambda: "executions_v2" not in runner.states)
        assert "executions_v1" in runner.states


async def test_reader_sees_rows_and_position_of_the_version_in_its_search_path(ledger):
    history = History()
    history.register()
    history.queue()
    await _create_second(ledger)
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


async def test_status_has_the_lag_of_each_read_model(ledger):
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


async def test_missing_read_model_is_named(empty_database_url):
    await migrate(empty_database_url, [MIGRATIONS], RIGHTS)

    with pytest.raises(UnknownProjection, match="dispatch, executions"):
        await open_read_pool(Database(empty_database_url))


async def test_database_that_is_not_migrated_is_unavailable(empty_database_url):
    with pytest.raises(LogUnavailable):
        await create_schemas(empty_database_url)


async def _create_second(ledger, schema_version: int = EXECUTIONS.schema_version) -> None:
    await migrate(ledger.url)  # the right to make schemas is the database's own, no copy has it
    async with ledger.pool.acquire() as connection, connection.transaction():
        version = Version(replace(EXECUTIONS, schema_version=schema_version), 2)
        await create_tables(connection, version)
        await create_indexes(connection, version)
