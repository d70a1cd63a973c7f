"""Issued tokens: as good as the credential they stand for, for a while, and no longer."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from events.store import Log
from service.access import Principal
from service.auth import credentials as credentials_module
from service.auth.credentials import Credentials
from service.auth.tokens import MAX_LENGTH, Claims, Tokens
from service.errors import NotFound, Unauthenticated
from tests.auth.conftest import SECRET_KEY

FOR_EVER = float("inf")


async def made(credentials, **changes):
    """A new key's principal."""
    asked = {"tenant": "acme", "role": "operator", "name": "night shift"} | changes
    created = await credentials.create(**asked)
    return await credentials.by_token(created.token)


def refused(token, tokens=None):
    with pytest.raises(Unauthenticated):
        (tokens or Tokens(SECRET_KEY, 600)).read(token)


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_token_says_for_whom_and_where_until_when():
    before = int(time.time())
    claims = Tokens(SECRET_KEY, 600).read(
        Tokens(SECRET_KEY, 600).issue("k", "acme", until_s=FOR_EVER)
    )
    assert claims == Claims("k", "acme", claims.expires_s)
    assert before + 600 <= claims.expires_s <= time.time() + 600


def test_a_token_ends_with_its_credential():
    end = int(time.time()) + 30
    token = Tokens(SECRET_KEY, 600).issue("k", "acme", until_s=end)
    assert Tokens(SECRET_KEY, 600).read(token).expires_s == end


def test_another_secret_key_reads_none():
    refused(Tokens(secrets.token_bytes(32), 600).issue("k", "acme", until_s=FOR_EVER))


def test_the_secret_key_itself_signs_no_token():
    said = {"sub": "k", "tenant": "acme", "exp": int(time.time()) + 60}
    refused(jwt.encode(said, SECRET_KEY, "HS256"))


def test_an_expired_token_is_refused():
    refused(Tokens(SECRET_KEY, 600).issue("k", "acme", until_s=time.time() - 1))


def test_a_changed_token_is_refused():
    head, body, signature = Tokens(SECRET_KEY, 600).issue("k", "acme", until_s=FOR_EVER).split(".")
    said = json.loads(base64.urlsafe_b64decode(body + "=="))
    refused(f"{head}.{part(said | {'tenant': 'other'})}.{signature}")
    refused(f"{head}.{body}.{'A' * len(signature)}")
    refused(f"{head}.{body}.")


@pytest.mark.parametrize("algorithm", ["none", "None", "HS512", "RS256", "ES256"])
def test_the_header_does_not_choose_the_algorithm(algorithm):
    tokens = Tokens(SECRET_KEY, 600)
    said = {"sub": "k", "tenant": "acme", "exp": int(time.time()) + 60}
    head = part({"alg": algorithm, "typ": "JWT"})
    refused(f"{head}.{part(said)}.", tokens)
    if algorithm == "HS512":
        refused(jwt.encode(said, tokens._key * 2, algorithm), tokens)


@pytest.mark.parametrize("missing", ["sub", "tenant", "exp"])
def test_a_token_without_a_claim_is_refused(missing):
    tokens = Tokens(SECRET_KEY, 600)
    said = {"sub": "k", "tenant": "acme", "exp": int(time.time()) + 60}
    del said[missing]
    refused(jwt.encode(said, tokens._key, "HS256"), tokens)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "é",
        "\ud800",
        "eyJ" * 5000,
        base64.urlsafe_b64encode(b"[" * (MAX_LENGTH // 2)).decode() + ".e30.x",
        part([]) + ".e30.x",
        part({"alg": 5}) + ".e30.x",
        part({"alg": "HS256", "crit": ["b64"], "b64": False}) + ".e30.x",
    ],
)
def test_what_is_no_token_is_refused(text):
    refused(text)


async def test_an_issued_token_is_as_good_as_its_credential(credentials):
    who = await made(credentials)
    assert await credentials.by_issued(credentials.issue(who)) == who


async def test_another_process_takes_a_token_at_once(credentials, pool):
    elsewhere = Credentials(pool, Log(pool), SECRET_KEY)
    await elsewhere.start()
    who = await made(credentials)
    assert await elsewhere.by_issued(credentials.issue(who)) == who


async def test_a_token_falls_with_its_credential_also_where_it_was_read(credentials):
    who, other = await made(credentials), await made(credentials, name="other")
    token, others = credentials.issue(who), credentials.issue(other)
    await credentials.by_issued(token)
    await credentials.revoke(who.key_id)
    with pytest.raises(Unauthenticated, match="revoked"):
        await credentials.by_issued(token)
    with pytest.raises(Unauthenticated):
        credentials.issue(who)
    assert await credentials.by_issued(others) == other


async def test_a_token_that_was_read_expires_all_the_same(credentials, monkeypatch):
    token = credentials.issue(await made(credentials))
    await credentials.by_issued(token)
    later = time.time() + 601
    monkeypatch.setattr(credentials_module.time, "time", lambda: later)
    with pytest.raises(Unauthenticated, match="expired"):
        await credentials.by_issued(token)


async def test_a_token_lives_no_longer_than_a_credential_that_expires(credentials):
    soon = datetime.now(UTC) + timedelta(seconds=30)
    token = credentials.issue(await made(credentials, expires_at=soon))
    assert Tokens(SECRET_KEY, 600).read(token).expires_s <= soon.timestamp()


async def test_a_token_whose_key_nobody_made_is_refused(credentials):
    forged = Tokens(SECRET_KEY, 600).issue(
        "11111111-1111-1111-1111-111111111111", "a", until_s=FOR_EVER
    )
    with pytest.raises(Unauthenticated):
        await credentials.by_issued(forged)


async def test_tokens_that_were_read_take_bounded_memory(credentials, monkeypatch):
    monkeypatch.setattr(credentials_module, "MOST_ISSUED", 3)
    people = [await made(credentials, name=f"n{number}") for number in range(5)]
    tokens = [credentials.issue(who) for who in people]
    for token in tokens:
        await credentials.by_issued(token)
    assert len(credentials._issued) == 3
    assert [await credentials.by_issued(token) for token in tokens] == people


async def test_what_is_refused_takes_no_memory(credentials):
    for number in range(10):
        with pytest.raises(Unauthenticated):
            await credentials.by_issued(f"a.b.{number}")
    assert credentials._issued == {}


async def test_a_known_token_costs_no_query(credentials, pool):
    token = credentials.issue(await made(credentials))
    await credentials.by_issued(token)
    await pool.close()
    assert await credentials.by_issued(token)


async def test_whoever_refreshes_at_the_same_time_gets_a_token_that_is_valid(credentials):
    who = await made(credentials)
    token = credentials.issue(who)

    async def refresh():
        return credentials.issue(await credentials.by_issued(token))

    fresh = await asyncio.gather(*(refresh() for _ in range(20)))
    assert [await credentials.by_issued(each) for each in [token, *fresh]] == [who] * 21


async def test_a_credential_of_the_whole_ledger_goes_into_any_tenant_and_back(credentials):
    await made(credentials)
    chief = await made(credentials, tenant="*", role="administrator", name="chief")
    inside = credentials.switched(chief, "acme")
    assert inside == Principal(chief.key_id, "chief", "acme", "administrator")
    assert await credentials.by_issued(credentials.issue(inside)) == inside
    assert credentials.switched(inside, "*") == chief


async def test_others_go_nowhere_but_home(credentials):
    await made(credentials, tenant="other")
    who = await made(credentials)
    assert credentials.switched(who, "acme") == who
    for tenant in ("other", "*", "nowhere", ""):
        with pytest.raises(NotFound):
            credentials.switched(who, tenant)


async def test_there_is_no_way_into_a_tenant_that_is_not_there(credentials):
    chief = await made(credentials, tenant="*", role="administrator", name="chief")
    with pytest.raises(NotFound):
        credentials.switched(chief, "nowhere")
