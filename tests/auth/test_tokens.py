"""Issued tokens: they stand for a credential for a limited time."""

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
from service.auth.tokens import MAX_LENGTH, Claims, TokenIssuer
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
        (tokens or TokenIssuer(SECRET_KEY, 600)).verify(token)


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_issued_token_carries_key_tenant_and_expiry():
    before = int(time.time())
    claims = TokenIssuer(SECRET_KEY, 600).verify(
        TokenIssuer(SECRET_KEY, 600).issue("k", "acme", until_s=FOR_EVER)
    )
    assert claims == Claims("k", "acme", claims.expires_s)
    assert before + 600 <= claims.expires_s <= time.time() + 600


def test_token_expires_with_its_credential():
    end = int(time.time()) + 30
    token = TokenIssuer(SECRET_KEY, 600).issue("k", "acme", until_s=end)
    assert TokenIssuer(SECRET_KEY, 600).verify(token).expires_s == end


def test_token_under_another_secret_key_is_refused():
    refused(TokenIssuer(secrets.token_bytes(32), 600).issue("k", "acme", until_s=FOR_EVER))


def test_token_signed_with_the_raw_secret_key_is_refused():
    said = {"sub": "k", "tenant": "acme", "exp": int(time.time()) + 60}
    refused(jwt.encode(said, SECRET_KEY, "HS256"))


def test_expired_token_is_refused():
    refused(TokenIssuer(SECRET_KEY, 600).issue("k", "acme", until_s=time.time() - 1))


def test_altered_token_is_refused():
    head, body, signature = (
        TokenIssuer(SECRET_KEY, 600).issue("k", "acme", until_s=FOR_EVER).split(".")
    )
    said = json.loads(base64.urlsafe_b64decode(body + "=="))
    refused(f"{head}.{part(said | {'tenant': 'other'})}.{signature}")
    refused(f"{head}.{body}.{'A' * len(signature)}")
    refused(f"{head}.{body}.")


@pytest.mark.parametrize("algorithm", ["none", "None", "HS512", "RS256", "ES256"])
def test_token_header_cannot_choose_the_algorithm(algorithm):
    tokens = TokenIssuer(SECRET_KEY, 600)
    said = {"sub": "k", "tenant": "acme", "exp": int(time.time()) + 60}
    head = part({"alg": algorithm, "typ": "JWT"})
    refused(f"{head}.{part(said)}.", tokens)
    if algorithm == "HS512":
        refused(jwt.encode(said, tokens._key * 2, algorithm), tokens)


@pytest.mark.parametrize("missing", ["sub", "tenant", "exp"])
def test_token_without_a_required_claim_is_refused(missing):
    tokens = TokenIssuer(SECRET_KEY, 600)
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
def test_malformed_token_is_refused(text):
    refused(text)


async def test_issued_token_authenticates_the_principal_of_its_credential(credentials):
    who = await made(credentials)
    assert await credentials.by_issued_token(credentials.issue_token(who)) == who


async def test_token_issued_by_another_process_authenticates_at_once(credentials, pool):
    elsewhere = Credentials(pool, Log(pool), SECRET_KEY)
    await elsewhere.start()
    who = await made(credentials)
    assert await elsewhere.by_issued_token(credentials.issue_token(who)) == who


async def test_revoking_a_credential_revokes_its_tokens_even_if_cached(credentials):
    who, other = await made(credentials), await made(credentials, name="other")
    token, others = credentials.issue_token(who), credentials.issue_token(other)
    await credentials.by_issued_token(token)
    await credentials.revoke(who.key_id)
    with pytest.raises(Unauthenticated, match="revoked"):
        await credentials.by_issued_token(token)
    with pytest.raises(Unauthenticated):
        credentials.issue_token(who)
    assert await credentials.by_issued_token(others) == other


async def test_cached_token_expires(credentials, monkeypatch):
    token = credentials.issue_token(await made(credentials))
    await credentials.by_issued_token(token)
    later = time.time() + 601
    monkeypatch.setattr(credentials_module.time, "time", lambda: later)
    with pytest.raises(Unauthenticated, match="expired"):
        await credentials.by_issued_token(token)


async def test_token_of_an_expiring_credential_expires_no_later(credentials):
    soon = datetime.now(UTC) + timedelta(seconds=30)
    token = credentials.issue_token(await made(credentials, expires_at=soon))
    assert TokenIssuer(SECRET_KEY, 600).verify(token).expires_s <= soon.timestamp()


async def test_token_of_an_unknown_key_is_refused(credentials):
    forged = TokenIssuer(SECRET_KEY, 600).issue(
        "11111111-1111-1111-1111-111111111111", "a", until_s=FOR_EVER
    )
    with pytest.raises(Unauthenticated):
        await credentials.by_issued_token(forged)


async def test_token_cache_is_bounded(credentials, monkeypatch):
    monkeypatch.setattr(credentials_module, "MAX_CACHED_TOKENS", 3)
    people = [await made(credentials, name=f"n{number}") for number in range(5)]
    tokens = [credentials.issue_token(who) for who in people]
    for token in tokens:
        await credentials.by_issued_token(token)
    assert len(credentials._cached_tokens) == 3
    assert [await credentials.by_issued_token(token) for token in tokens] == people


async def test_refused_tokens_are_not_cached(credentials):
    for number in range(10):
        with pytest.raises(Unauthenticated):
            await credentials.by_issued_token(f"a.b.{number}")
    assert credentials._cached_tokens == {}


async def test_cached_token_needs_no_query(credentials, pool):
    token = credentials.issue_token(await made(credentials))
    await credentials.by_issued_token(token)
    await pool.close()
    assert await credentials.by_issued_token(token)


async def test_concurrent_refreshes_all_get_a_valid_token(credentials):
    who = await made(credentials)
    token = credentials.issue_token(who)

    async def refresh():
        return credentials.issue_token(await credentials.by_issued_token(token))

    fresh = await asyncio.gather(*(refresh() for _ in range(20)))
    assert [await credentials.by_issued_token(each) for each in [token, *fresh]] == [who] * 21


async def test_ledger_wide_credential_switches_to_any_tenant_and_back(credentials):
    await made(credentials)
    chief = await made(credentials, tenant="*", role="administrator", name="chief")
    inside = credentials.switch_tenant(chief, "acme")
    assert inside == Principal(chief.key_id, "chief", "acme", "administrator")
    assert await credentials.by_issued_token(credentials.issue_token(inside)) == inside
    assert credentials.switch_tenant(inside, "*") == chief


async def test_tenant_credential_switches_to_its_own_tenant_only(credentials):
    await made(credentials, tenant="other")
    who = await made(credentials)
    assert credentials.switch_tenant(who, "acme") == who
    for tenant in ("other", "*", "nowhere", ""):
        with pytest.raises(NotFound):
            credentials.switch_tenant(who, tenant)


async def test_switch_to_an_unknown_tenant_is_not_found(credentials):
    chief = await made(credentials, tenant="*", role="administrator", name="chief")
    with pytest.raises(NotFound):
        credentials.switch_tenant(chief, "nowhere")
