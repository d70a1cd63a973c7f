"""Connections, and the translation of driver errors into ours."""

import asyncpg
import pytest

from events.database import Database, connect, connect_pool, load, translate_errors
from events.errors import AppendTimeout, InvalidEvent, LogError, LogUnavailable
from events.migrate import MIGRATIONS


@pytest.mark.parametrize(
    ("raised", "ours"),
    [
        (asyncpg.LockNotAvailableError("lock timeout"), AppendTimeout),
        (asyncpg.AdminShutdownError("terminating"), LogUnavailable),
        (asyncpg.CannotConnectNowError("starting up"), LogUnavailable),
        (asyncpg.ConnectionDoesNotExistError("gone"), LogUnavailable),
        (asyncpg.TooManyConnectionsError("too many clients"), LogUnavailable),
        (asyncpg.DiskFullError("disk full"), LogUnavailable),
        (asyncpg.ReadOnlySQLTransactionError("standby"), LogUnavailable),
        (asyncpg.InvalidPasswordError("no"), LogUnavailable),
        (asyncpg.UndefinedFunctionError("log.append"), LogUnavailable),
        (asyncpg.UndefinedTableError("log.events"), LogUnavailable),
        (asyncpg.CheckViolationError('no partition of relation "events" found'), LogUnavailable),
        (asyncpg.InterfaceError("connection is closed"), LogUnavailable),
        (asyncpg.InternalClientError("cannot switch to state 15"), LogUnavailable),
        (ConnectionResetError("reset"), LogUnavailable),
        (TimeoutError("slow"), LogUnavailable),
        (asyncpg.UniqueViolationError("twice"), InvalidEvent),
        (asyncpg.CharacterNotInRepertoireError("nul"), InvalidEvent),
        (asyncpg.ProgramLimitExceededError("index row"), InvalidEvent),
        (asyncpg.PostgresSyntaxError("what"), LogError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_driver_error_becomes_log_error_and_stays_its_cause(raised, ours):
    with pytest.raises(LogError) as caught, translate_errors():
        raise raised
    assert isinstance(caught.value, ours)
    assert caught.value.__cause__ is raised


def test_other_errors_pass_translation_unchanged():
    with pytest.raises(KeyError), translate_errors():
        raise KeyError
    with pytest.raises(InvalidEvent), translate_errors():
        raise InvalidEvent


async def test_connection_has_service_role_utc_and_text_uuids(database_url):
    connection = await connect(database_url, search_path="log")
    row = await connection.fetchrow(
        "select current_user::text as role, current_setting('TimeZone') as zone,"
        " current_setting('search_path') as path, $1::uuid as id, $2::uuid[] as ids",
        "ef8f9f90-6a3d-429c-ac67-3c9d5a9e3453",
        ["ef8f9f90-6a3d-429c-ac67-3c9d5a9e3453"],
    )
    assert dict(row) == {
        "role": "flowledger_app",
        "zone": "UTC",
        "path": "log",
        "id": "ef8f9f90-6a3d-429c-ac67-3c9d5a9e3453",
        "ids": ["ef8f9f90-6a3d-429c-ac67-3c9d5a9e3453"],
    }
    await connection.close()


async def test_uuids_as_text_can_be_copied(database_url):
    connection = await connect(database_url, role=None)
    await connection.execute("create temp table copied (id uuid)")
    records = [("ef8f9f90-6a3d-429c-ac67-3c9d5a9e3453",), (None,)]
    await connection.copy_records_to_table("copied", records=records)
    assert [tuple(row) for row in await connection.fetch("select * from copied")] == records
    await connection.close()


async def test_parameters_that_hosted_postgres_adds_to_a_url_work(database_url):
    added = (
        "sslmode=prefer&channel_binding=prefer&gssencmode=disable&keepalives=1&connect_timeout=7"
        "&application_name=my%20ledger&target_session_attrs=read-write&options=-c%20work_mem%3D9MB"
    )
    url = f"{database_url}{'&' if '?' in database_url else '?'}{added}"
    pool = await connect_pool(url)
    row = await pool.fetchrow(
        "select current_setting('application_name'), current_setting('work_mem')"
    )
    await pool.close()
    assert tuple(row) == ("my ledger", "9MB")


def test_refused_password_is_said_with_what_a_url_needs():
    with pytest.raises(LogUnavailable, match="must be percent-encoded"), translate_errors():
        raise asyncpg.InvalidPasswordError("password authentication failed")


@pytest.mark.parametrize("text", ["", "no uuid", "ef8f9f90"])
async def test_invalid_uuid_is_refused(app, text):
    with pytest.raises(InvalidEvent), translate_errors():
        await app.fetchval("select $1::uuid", text)


async def test_pool_initialises_connections_and_rolls_back_open_transactions(database_url):
    prepared = []

    async def prepare(connection):
        prepared.append(await connection.fetchval("select pg_backend_pid()"))

    pool = await Database(database_url).open_pool(max_size=1, role=None, init=prepare)
    async with pool.acquire() as connection:
        await connection.execute("create temp table kept (a int)")
        await connection.execute("begin; insert into kept values (1)")
    async with pool.acquire() as connection:
        assert await connection.fetchval("select count(*) from kept") == 0
        assert [await connection.fetchval("select pg_backend_pid()")] == prepared
    await pool.close()


async def test_unreachable_server_raises_log_unavailable(tmp_path):
    url = f"postgresql://nobody@/nothing?host={tmp_path}"
    with pytest.raises(LogUnavailable):
        await connect(url)
    with pytest.raises(LogUnavailable):
        await connect_pool(url)


@pytest.mark.parametrize(
    "path", sorted(MIGRATIONS.parent.glob("*.sql")), ids=lambda path: path.stem
)
def test_each_sql_file_states_purpose_parameters_and_index(path):
    text = load(path.parent, path.stem)
    assert text == path.read_text(encoding="utf-8")
    lines = text.split("\n")
    assert [line[:3] for line in lines[:3]] == ["-- ", "-- ", "-- "]
    assert "index" in lines[2].lower()


async def test_server_without_a_free_connection_says_what_to_do(owner, database_url):
    """Of superusers a database's limit does not hold, so the login is another."""
    name = await owner.fetchval("select current_database()")
    await owner.execute(f"create role {name} login password 'x' connection limit 0")
    try:
        credentials = database_url.partition("//")[2].partition("@")[0]
        with pytest.raises(LogUnavailable, match="raise max_connections or end other sessions"):
            await connect(database_url.replace(credentials, f"{name}:x"), role=None)
    finally:
        await owner.execute(f"drop role {name}")
