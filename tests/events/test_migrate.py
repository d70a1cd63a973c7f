"""Migrations: repeatable, safe concurrently, always to the same schema."""

import asyncio
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from events.database import connect, connect_pool
from events.errors import LogUnavailable, MigrationRefused, SessionRefused
from events.migrate import MIGRATIONS, migrate
from events.store import Log

NAMES = sorted(path.stem for path in MIGRATIONS.glob("*.sql"))


async def test_migrating_twice_applies_each_migration_once(empty_database_url):
    assert await migrate(empty_database_url) == NAMES
    assert await migrate(empty_database_url) == []


async def test_concurrent_migrations_of_one_database_run_in_turn(empty_database_url):
    done = await asyncio.gather(*(migrate(empty_database_url) for _ in range(4)))
    assert sorted(map(len, done)) == [0, 0, 0, len(NAMES)]


async def test_databases_of_a_new_server_can_be_migrated_concurrently(own_cluster):
    """The role belongs to all of them: whoever makes it first must not fail the others."""
    administrator = await connect(own_cluster.url, role=None)
    names = [f"ledger{number}" for number in range(4)]
    for name in names:
        await administrator.execute(f"create database {name}")
    await administrator.close()
    urls = [urlsplit(own_cluster.url)._replace(path=f"/{name}").geturl() for name in names]
    done = await asyncio.gather(*(migrate(url) for url in urls))
    assert all(done)


async def test_server_older_than_the_oldest_supported_is_refused(empty_database_url, monkeypatch):
    monkeypatch.setattr("events.migrate.OLDEST_POSTGRES", 99)
    with pytest.raises(MigrationRefused, match="Postgres 99 or newer is needed"):
        await migrate(empty_database_url)


def room(folder: Path, **files: str) -> Path:
    migrations = folder / "garden" / "sql" / "migrations"
    migrations.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (migrations / f"{name}.sql").write_text(text)
    return migrations


async def test_migrations_of_other_rooms_follow_the_logs_in_name_order(
    database_url, empty_database_url, tmp_path
):
    folder = room(
        tmp_path,
        b="alter table garden.trees add height int",
        a="create schema garden; create table garden.trees (name text)",
    )
    assert (await migrate(empty_database_url, [folder]))[-2:] == ["a", "b"]
    room(tmp_path, c="insert into garden.trees values ('oak', 7)")
    assert await migrate(empty_database_url, [folder]) == ["c"]


async def test_failed_migration_leaves_nothing_and_can_be_retried(empty_database_url, tmp_path):
    folder = room(tmp_path, a="create schema garden; select 1 / 0")
    with pytest.raises(Exception, match="division by zero"):
        await migrate(empty_database_url, [folder])
    folder = room(tmp_path, a="create schema garden")
    assert (await migrate(empty_database_url, [folder]))[-1:] == ["a"]


async def test_changed_migration_is_refused_after_it_was_applied(empty_database_url, tmp_path):
    folder = room(tmp_path, a="create schema garden")
    await migrate(empty_database_url, [folder])
    room(tmp_path, a="create schema garden; create table garden.trees ()")
    with pytest.raises(MigrationRefused, match="garden/a is not the same"):
        await migrate(empty_database_url, [folder])


async def test_database_of_an_incompatible_build_is_refused_with_differences_and_remedy(
    empty_database_url, tmp_path
):
    """Such as one that was set up before the first release, by more and other migrations."""
    folder = room(tmp_path, a="create schema garden", b="select 1", c="select 2")
    await migrate(empty_database_url, [folder])
    (folder / "b.sql").unlink()
    (folder / "c.sql").unlink()
    room(tmp_path, a="create schema garden; select 3", z="create table garden.trees ()")
    with pytest.raises(MigrationRefused) as refused:
        await migrate(empty_database_url, [folder])
    found = str(refused.value)
    named = "garden/a is not the same, garden/b is unknown here, garden/c is unknown here."
    assert f"migrations differ: {named}" in found
    for command in ("events export", "migrate", "events import"):
        assert f"`flowledger {command}" in found
    assert await migrate(empty_database_url) == [], "and nothing was applied"


async def test_database_with_unknown_and_missing_migrations_is_refused(
    empty_database_url, tmp_path
):
    await migrate(empty_database_url, [room(tmp_path / "theirs", a="select 1", b="select 2")])
    with pytest.raises(MigrationRefused, match="garden/b is unknown here"):
        await migrate(empty_database_url, [room(tmp_path / "ours", a="select 1", c="select 3")])


async def test_database_of_a_newer_release_is_left_unchanged(empty_database_url, tmp_path):
    """So that an older image, which migrates as it starts, can follow a newer one."""
    await migrate(empty_database_url, [room(tmp_path / "newer", a="select 1", b="select 2")])
    assert await migrate(empty_database_url, [room(tmp_path / "older", a="select 1")]) == []


@pytest.fixture
async def plain_login(own_cluster):
    """A login role that may do nothing, on a server where the service's role does not exist."""
    administrator = await connect(own_cluster.url, role=None)
    await administrator.execute("create role plain login password 'secret'")
    yield administrator, as_plain(own_cluster.url)
    await administrator.close()


def as_plain(url: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"plain:{quote('secret')}@{place}").geturl()


async def test_login_role_without_createrole_gets_a_script_for_the_administrator(
    plain_login,
):
    administrator, url = plain_login
    with pytest.raises(MigrationRefused) as refused:
        await migrate(url)
    script = str(refused.value).partition("\n\n")[2]
    await administrator.execute(script)
    with pytest.raises(MigrationRefused, match="role plain must own the database"):
        await migrate(url)
    await administrator.execute("alter database flowledger owner to plain")
    assert await migrate(url) == NAMES
    connection = await connect(url)
    assert await connection.fetchval("select current_user") == "flowledger_app"
    await connection.close()


async def test_login_role_with_createrole_needs_no_administrator(plain_login):
    administrator, url = plain_login
    await administrator.execute("alter role plain createrole")
    await administrator.execute("alter database flowledger owner to plain")
    assert await migrate(url) == NAMES
    connection = await connect(url)
    assert await connection.fetchval("select position from log.head") == 0
    await connection.close()


async def test_database_not_in_utf8_is_refused(own_cluster):
    administrator = await connect(own_cluster.url, role=None)
    await administrator.execute(
        "create database latin template template0 encoding 'LATIN1' locale_provider libc locale 'C'"
    )
    await administrator.close()
    url = urlsplit(own_cluster.url)._replace(path="/latin").geturl()
    with pytest.raises(SessionRefused, match="UTF8"):
        await migrate(url)


async def test_unreachable_server_raises_log_unavailable(own_cluster):
    own_cluster.stop()
    with pytest.raises(LogUnavailable):
        await migrate(own_cluster.url)


async def test_database_without_migrations_raises_log_unavailable(empty_database_url):
    await migrate(empty_database_url)
    connection = await connect(empty_database_url, role=None)
    await connection.execute("drop schema log cascade")
    await connection.close()
    pool = await connect_pool(empty_database_url)
    with pytest.raises(LogUnavailable):
        await Log(pool).head()
    await pool.close()


async def test_rights_that_are_missing_are_given_and_said(empty_database_url):
    await migrate(empty_database_url)
    owner = await connect(empty_database_url, role=None)
    await owner.execute("revoke select on log.events from flowledger_app")
    await owner.execute("grant delete on log.streams to flowledger_app")
    assert await migrate(empty_database_url) == [
        "grant select on log.events to flowledger_app",
        "revoke delete on log.streams from public, flowledger_app",
    ]
    assert await migrate(empty_database_url) == []
    await owner.close()
