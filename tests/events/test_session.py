"""A session that is not what the service assumes is refused, with the cure."""

import pytest

from events import database as module
from events.database import Database, connect
from events.errors import LedgerReplaced, LogUnavailable, SessionRefused
from events.migrate import migrate
from events.session import check_session

RIGHT = {
    "role": "flowledger_app",
    "search_path": "executions_v1",
    "standard_conforming_strings": "on",
    "TimeZone": "UTC",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "default_transaction_isolation": "read committed",
    "transaction_read_only": "off",
    "is_standby": False,
}
WRONG = [
    ("role", "postgres", "connection pooler"),
    ("search_path", '"$user", public', "connection pooler"),
    ("standard_conforming_strings", "off", "alter database DATABASE set"),
    ("TimeZone", "Asia/Seoul", "connection pooler"),
    ("server_encoding", "LATIN1", "ENCODING 'UTF8'"),
    ("client_encoding", "LATIN1", "connection pooler"),
    ("default_transaction_isolation", "serializable", "connection pooler"),
    ("transaction_read_only", "on", "default_transaction_read_only = off"),
    ("is_standby", True, "name the primary"),
]


@pytest.mark.parametrize(("name", "value", "cure"), WRONG)
def test_session_with_a_wrong_setting_is_refused_with_the_cure(name, value, cure):
    with pytest.raises(SessionRefused, match=cure):
        check_session(RIGHT | {name: value}, role="flowledger_app", search_path="executions_v1")


def test_right_session_is_taken():
    check_session(RIGHT, role="flowledger_app", search_path="executions_v1")
    check_session(RIGHT | {"role": "anybody", "search_path": "x"}, role=None, search_path=None)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("standard_conforming_strings", "off"), ("default_transaction_read_only", "on")],
)
async def test_setting_of_the_database_is_noticed_by_pool_connection_and_migration(
    fresh_database_url, setting, value
):
    owner = await connect(fresh_database_url, role=None)
    name = await owner.fetchval("select quote_ident(current_database())")
    await owner.execute(f"alter database {name} set {setting} = {value}")
    await owner.close()
    database = Database(fresh_database_url)
    for attempt in (database.connect, database.open_pool, lambda: migrate(fresh_database_url)):
        with pytest.raises(SessionRefused, match=value):
            await attempt()


@pytest.mark.parametrize("ignored", ["role", "search_path"])
async def test_pooler_that_ignores_what_was_asked_for_is_named(database_url, monkeypatch, ignored):
    def settings(*args):
        found = asked(*args)
        del found[ignored]
        return found

    asked = module._session_settings
    monkeypatch.setattr(module, "_session_settings", settings)
    with pytest.raises(SessionRefused, match=f"{ignored} is .* pooler has ignored"):
        await Database(database_url).connect(search_path="executions_v1")


def test_refused_session_is_answered_like_a_database_that_is_away():
    assert issubclass(SessionRefused, LogUnavailable)
    assert not issubclass(SessionRefused, LedgerReplaced)
