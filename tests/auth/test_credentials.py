"""Credentials on a real database: created, authenticated in each form, expired, revoked."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

import pytest

from events.store import Log
from service.access import Principal
from service.auth.credentials import Credentials
from service.errors import BadRequest, InvalidSetting, NotFound, Unauthenticated
from tests.auth.conftest import SECRET_KEY


async def make(credentials, **changes):
    asked = {"tenant": "acme", "role": "operator", "name": "night shift"} | changes
    return await credentials.create(**asked)


async def test_created_key_authenticates_by_token_password_and_access_key(credentials):
    created = await make(credentials)
    who = Principal(created.key_id, "night shift", "acme", "operator")
    assert await credentials.by_token(created.token) == who
    assert await credentials.by_password(created.username, created.password) == who
    assert await credentials.by_access_key(created.access_key) == (
        who,
        created.secret_key.encode(),
    )


async def test_role_executer_is_stored_as_operator(credentials):
    created = await make(credentials, role="executer")
    assert (await credentials.by_token(created.token)).role == "operator"


async def test_token_begins_with_the_scannable_prefix(credentials):
    created = await make(credentials)
    assert created.token.startswith("fl_")


async def test_repr_of_a_new_credential_hides_its_secrets(credentials):
    created = await make(credentials)
    for secret in (created.token, created.password, created.secret_key):
        assert secret not in repr(created)


async def test_database_holds_no_secret_in_plain_text(credentials, pool):
    created = await make(credentials)
    rows = await pool.fetch("SELECT credentials::text AS kept FROM auth.credentials")
    events = await pool.fetch("SELECT body, metadata FROM log.events")
    kept = "".join(row["kept"] for row in rows) + "".join(
        (row["body"] + row["metadata"]).decode() for row in events
    )
    for secret in (created.token, created.password, created.secret_key):
        assert secret not in kept
        assert secret.encode().hex() not in kept


@pytest.mark.parametrize(
    "token", ["", "fl_", "fl_unknown", "Bearer", "fl_\x00", "fl_\udcff", "fl_" + "a" * 10_000]
)
async def test_unknown_token_is_unauthenticated(credentials, token):
    await make(credentials)
    with pytest.raises(Unauthenticated):
        await credentials.by_token(token)


async def test_wrong_password_is_refused_whether_the_credential_is_cached_or_not(credentials):
    created = await make(credentials)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await credentials.by_password(created.username, created.token)
        await credentials.by_password(created.username, created.password)


@pytest.mark.parametrize("name", ["", "nobody", "a\x00b", "\udcff", "ü"])
async def test_unknown_username_or_access_key_is_unauthenticated(credentials, name):
    with pytest.raises(Unauthenticated):
        await credentials.by_password(name, "password")
    with pytest.raises(Unauthenticated):
        await credentials.by_access_key(name)


async def test_failed_attempts_are_not_cached(credentials):
    for number in range(50):
        with pytest.raises(Unauthenticated):
            await credentials.by_token(f"fl_{number}")
    assert not credentials._tokens
    assert not credentials._by_key_id


async def test_expired_key_is_refused_even_if_cached(credentials, monkeypatch):
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    created = await make(credentials, expires_at=expires_at)
    await credentials.by_token(created.token)
    monkeypatch.setattr("time.time", expires_at.timestamp)
    for present in (
        credentials.by_token(created.token),
        credentials.by_password(created.username, created.password),
        credentials.by_access_key(created.access_key),
    ):
        with pytest.raises(Unauthenticated, match="expired"):
            await present


async def test_revoked_key_is_refused_in_every_form(credentials):
    created = await make(credentials)
    await credentials.by_token(created.token)
    key = await credentials.revoke(created.key_id)
    assert key.revoked_at is not None
    for present in (
        credentials.by_token(created.token),
        credentials.by_password(created.username, created.password),
        credentials.by_access_key(created.access_key),
    ):
        with pytest.raises(Unauthenticated):
            await present


async def test_revoking_twice_appends_one_event(credentials):
    created = await make(credentials)
    first = await credentials.revoke(created.key_id)
    assert await credentials.revoke(created.key_id) == first
    assert await credentials._log.head() == 2


async def test_revoking_an_unknown_key_is_not_found(credentials):
    with pytest.raises(NotFound):
        await credentials.revoke("5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4")


async def test_key_created_by_another_process_authenticates_at_once(credentials, pool):
    elsewhere = Credentials(pool, Log(pool), SECRET_KEY)
    created = await make(elsewhere)
    assert (await credentials.by_token(created.token)).key_id == created.key_id


async def test_credential_row_without_its_event_does_not_authenticate(
    credentials, pool, monkeypatch
):
    async def crash(*_):
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(Log, "append", crash)
        patch.setattr("secrets.token_urlsafe", lambda _size: "known")
        with pytest.raises(ConnectionResetError):
            await make(credentials)
    assert await pool.fetchval("SELECT count(*) FROM auth.credentials") == 1
    with pytest.raises(Unauthenticated):
        await credentials.by_token("fl_known")


async def test_owner_and_role_of_a_key_come_from_the_log_alone(credentials, pool):
    created = await make(credentials, role="viewer")
    columns = await pool.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'auth'"
    )
    assert not {row["column_name"] for row in columns} & {"role", "tenant", "name"}
    assert (await credentials.by_token(created.token)).role == "viewer"


async def test_list_has_all_keys_oldest_first_with_revoked_ones(credentials):
    first = await make(credentials)
    second = await make(credentials, tenant="globex")
    await credentials.revoke(first.key_id)
    every = await credentials.list()
    assert [key.principal.key_id for key in every] == [first.key_id, second.key_id]
    assert [key.revoked_at is None for key in every] == [False, True]
    assert [key.principal.key_id for key in await credentials.list("globex")] == [second.key_id]


async def test_wrong_secret_key_fails_the_start(credentials, pool):
    await make(credentials)
    with pytest.raises(InvalidSetting, match="FLOWLEDGER_SECRET_KEY"):
        await Credentials(pool, Log(pool), secrets.token_bytes(32)).start()


async def test_wrong_secret_key_fails_signatures_but_not_tokens(pool, credentials):
    stranger = Credentials(pool, Log(pool), secrets.token_bytes(32))
    await stranger.start()
    created = await make(credentials)
    with pytest.raises(Unauthenticated):
        await stranger.by_access_key(created.access_key)
    assert (await stranger.by_token(created.token)).key_id == created.key_id


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"role": "root"}, "role"),
        ({"role": ""}, "role"),
        ({"tenant": ""}, "tenant"),
        ({"tenant": "a b"}, "tenant"),
        ({"tenant": "a" * 101}, "tenant"),
        ({"tenant": "*"}, "tenant"),
        ({"tenant": "*", "role": "editor"}, "tenant"),
        ({"name": ""}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a" * 201}, "name"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "expires_at"),
        ({"expires_at": datetime(2999, 1, 1)}, "expires_at"),  # noqa: DTZ001 - what is refused
    ],
)
async def test_invalid_key_is_refused_and_nothing_is_written(credentials, pool, changes, field):
    with pytest.raises(BadRequest) as refused:
        await make(credentials, **changes)
    assert refused.value.field == field
    assert await pool.fetchval("SELECT count(*) FROM auth.credentials") == 0


@pytest.mark.parametrize("role", ["auditor", "administrator"])
async def test_auditor_and_administrator_may_be_ledger_wide(credentials, role):
    created = await make(credentials, tenant="*", role=role)
    assert (await credentials.by_token(created.token)).tenant == "*"


async def test_concurrent_unknown_tokens_are_all_refused(credentials):
    answers = await asyncio.gather(
        *(credentials.by_token(f"fl_{number}") for number in range(100)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {Unauthenticated}


async def test_service_role_may_not_change_or_remove_credentials(credentials, pool):
    await make(credentials)
    for statement in (
        "UPDATE auth.credentials SET username = 'x'",
        "DELETE FROM auth.credentials",
        "TRUNCATE auth.credentials",
    ):
        with pytest.raises(Exception, match="permission denied"):
            await pool.execute(statement)


@pytest.mark.parametrize("name", ["by_token", "by_username", "by_access_key", "newest"])
async def test_lookup_of_a_credential_uses_its_index(credentials, pool, name):
    from service.auth.credentials import _SQL  # noqa: PLC0415 - the statements as they run

    for _ in range(3):
        await make(credentials)
    statement = (_SQL / f"{name}.sql").read_text()
    values = [] if name == "newest" else [b"x" if name == "by_token" else "x"]
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(f"EXPLAIN {statement}", *values)
    index = statement.splitlines()[2].removeprefix("-- auth.")
    assert index in "\n".join(row[0] for row in plan)
