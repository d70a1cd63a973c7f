"""The migrations of every room: together they make its schema."""

import shutil
from pathlib import Path

import asyncpg
import pytest

from events.database import connect
from events.migrate import MIGRATIONS, migrate
from service.ops.migrations import ROOMS
from tests import postgres

FOLDERS = {
    folder.parent.parent.name: folder
    for folder in [MIGRATIONS, *(room / "sql" / "migrations" for room in ROOMS)]
}

OURS = "n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')"
CATALOGUE = {
    "schemas": "select n.nspname, n.nspacl::text, n.nspowner::regrole::text"
    f" from pg_namespace n where {OURS}",
    "relations": "select c.oid::regclass::text, c.relkind::text, c.reloptions, c.relacl::text,"
    " c.relowner::regrole::text, pg_get_partkeydef(c.oid), obj_description(c.oid, 'pg_class')"
    f" from pg_class c join pg_namespace n on n.oid = c.relnamespace where {OURS}",
    # Not the order of the columns: a migration can only add one at the end.
    "columns": "select c.oid::regclass::text, a.attname, format_type(a.atttypid, a.atttypmod),"
    " a.attnotnull, a.attcollation, a.attacl::text, pg_get_expr(d.adbin, d.adrelid),"
    " col_description(c.oid, a.attnum)"
    " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
    " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
    " left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum"
    f" where c.relkind not in ('i', 'I') and {OURS}",
    "constraints": "select k.conrelid::regclass::text, k.conname, pg_get_constraintdef(k.oid)"
    f" from pg_constraint k join pg_namespace n on n.oid = k.connamespace where {OURS}",
    "indexes": "select i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) from pg_index i"
    " join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace"
    f" where {OURS}",
    "functions": "select pg_get_functiondef(p.oid), p.proacl::text, p.proowner::regrole::text,"
    " obj_description(p.oid, 'pg_proc')"
    f" from pg_proc p join pg_namespace n on n.oid = p.pronamespace where {OURS}",
    "triggers": "select t.tgrelid::regclass::text, pg_get_triggerdef(t.oid), t.tgenabled::text"
    " from pg_trigger t where not t.tgisinternal",
    "types": "select t.oid::regtype::text, t.typtype::text, t.typacl::text,"
    " obj_description(t.oid, 'pg_type')"
    f" from pg_type t join pg_namespace n on n.oid = t.typnamespace where {OURS}",
    "sequences": "select s.seqrelid::regclass::text, s.seqtypid::regtype::text, s.seqstart,"
    " s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle from pg_sequence s",
}


async def described(url: str) -> dict[str, set[tuple]]:
    """All that is in a database, from Postgres' catalogue."""
    connection: asyncpg.Connection = await connect(url, role=None)
    try:
        return {
            kind: {tuple(map(str, row)) for row in await connection.fetch(query)}
            for kind, query in CATALOGUE.items()
        }
    finally:
        await connection.close()


async def differences(url: str, other_url: str, folder: Path, tmp_path: Path, monkeypatch):
    """What a room's migrations make and its ``schema.sql`` does not, and the other way round."""
    alone = tmp_path / folder.parent.parent.name / "sql" / "migrations"
    alone.mkdir(parents=True)
    shutil.copy(folder.parent / "schema.sql", alone)
    if folder == MIGRATIONS:
        await migrate(url)
        monkeypatch.setattr("events.migrate.MIGRATIONS", alone)
        await migrate(other_url)
    else:
        await migrate(url, [folder])
        await migrate(other_url, [alone])
    migrated, made = await described(url), await described(other_url)
    return {kind: migrated[kind] ^ made[kind] for kind in made if migrated[kind] ^ made[kind]}


@pytest.fixture
def another_database_url(postgres_run):
    with postgres.fresh_database(postgres_run) as url:
        yield url


@pytest.mark.parametrize("room", FOLDERS)
async def test_migrations_of_a_package_add_up_to_its_schema(
    room, empty_database_url, another_database_url, tmp_path, monkeypatch
):
    folder = FOLDERS[room]
    migrations, schema = list(folder.glob("*.sql")), folder.parent / "schema.sql"
    if len(migrations) == 1:
        assert not schema.exists(), "the only migration is the schema: no second copy of it"
        return
    assert schema.exists(), f"{schema} shows the whole schema, of {len(migrations)} migrations"
    found = await differences(
        empty_database_url, another_database_url, folder, tmp_path, monkeypatch
    )
    assert found == {}


FIRST = "create schema garden; create table garden.trees (name text);"
SCHEMA = "create schema garden; create table garden.trees ({height}, name text)"
SECOND = "alter table garden.trees add height integer not null default 1;"


@pytest.mark.parametrize(
    ("schema", "different"),
    [
        (
            SCHEMA.format(height="height integer not null default 1"),
            set(),
        ),
        (SCHEMA.format(height="height integer not null default 2"), {"columns"}),
        (FIRST + SECOND + "create index on garden.trees (name)", {"relations", "indexes"}),
        (FIRST + SECOND + "grant select on garden.trees to flowledger_app", {"relations"}),
        (
            FIRST + SECOND + "create function garden.f() returns int language sql return 1",
            {"functions"},
        ),
        (FIRST + SECOND + "create sequence garden.s", {"relations", "columns", "sequences"}),
    ],
)
async def test_schema_that_differs_from_the_migrations_is_detected(
    empty_database_url, another_database_url, tmp_path, monkeypatch, schema, different
):
    folder = tmp_path / "garden" / "sql" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_garden_pre.sql").write_text(FIRST)
    (folder / "0002_height_pre.sql").write_text(SECOND)
    (folder.parent / "schema.sql").write_text(schema)
    found = await differences(
        empty_database_url, another_database_url, folder, tmp_path / "alone", monkeypatch
    )
    assert found.keys() == different


@pytest.mark.parametrize("room", FOLDERS)
def test_a_migration_is_numbered_and_says_when_it_runs(room):
    names = sorted(path.stem for path in FOLDERS[room].glob("*.sql"))
    numbers = [name.partition("_")[0] for name in names]
    assert numbers == [f"{number:04}" for number in range(1, len(names) + 1)]
    assert all(name.endswith(("_pre", "_post")) for name in names)
