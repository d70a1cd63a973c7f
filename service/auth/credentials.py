"""Credentials: authenticated, created, revoked. A table has the secrets, the log the validity."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg

from events import codec
from events.bodies import KeyCreated, KeyRevoked
from events.database import Pool, load, translate_errors
from events.envelope import (
    AppendRequest,
    Event,
    ExpectedVersion,
    NewEvent,
    StreamAppend,
)
from events.store import Log
from events.types import ADMINISTRATION_STREAM, EVERY_TENANT, KEY_CREATED, KEY_REVOKED
from service.access import ALIASES, Origin, Principal, metadata_of
from service.auth.keys import Key, KeyRegistry, check_key
from service.auth.secrets import (
    TOKEN_PREFIX,
    CredentialSecrets,
    decrypt_secret,
    encrypt_secret,
    generate,
)
from service.auth.tokens import TokenIssuer
from service.errors import InvalidSetting, NotFound, Unauthenticated

LOOKUP_TIMEOUT_S: Final = 5.0
_SQL: Final = Path(__file__).parent / "sql"
_COMMAND_LINE: Final = Origin(actor="cli", source="cli")
MAX_CACHED_TOKENS: Final = 10_000
"""Issued tokens that are cached once verified; beyond that the oldest entry is evicted."""

TOKEN_LIFETIME_S: Final = 600.0
_UNKNOWN: Final = "the credential is not known, or was revoked"


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A new credential with its secrets in plain text, for the one time they are shown."""

    key_id: str
    tenant: str
    role: str
    token: str = field(repr=False)
    username: str
    password: str = field(repr=False)
    access_key: str
    secret_key: str = field(repr=False)


@dataclass(slots=True)
class _CachedCredential:
    """A valid credential that was presented before."""

    principal: Principal
    expires_s: float
    token_sha256: bytes
    username: str
    password_sha256: bytes
    access_key: str
    encrypted_secret: bytes
    secret: bytes | None = None


@dataclass(frozen=True, slots=True)
class _CachedToken:
    """An issued token that was verified before."""

    principal: Principal
    expires_s: float


class Credentials:
    """Authenticates credentials in every form, and creates and revokes them.

    Only valid credentials are cached, so failed attempts take no memory. Each costs one query, so
    the pool should have no other user.
    """

    def __init__(
        self,
        pool: Pool,
        log: Log,
        secret_key: bytes,
        *,
        token_lifetime_s: float = TOKEN_LIFETIME_S,
    ) -> None:
        self._pool = pool
        self._log = log
        self._secret_key = secret_key
        self._keys = KeyRegistry()
        self._refreshing = asyncio.Lock()
        self._tokens: dict[bytes, _CachedCredential] = {}
        self._usernames: dict[str, _CachedCredential] = {}
        self._access_keys: dict[str, _CachedCredential] = {}
        self._by_key_id: dict[str, _CachedCredential] = {}
        self._token_issuer = TokenIssuer(secret_key, token_lifetime_s)
        self._cached_tokens: dict[bytes, _CachedToken] = {}

    async def start(self) -> None:
        """Read the keys from the log, and test the secret key on the newest credential.

        Raises:
            InvalidSetting: the credentials were encrypted under another secret key.
            LogUnavailable: the database does not answer.
        """
        await self.refresh()
        row = await self._fetch("newest")
        if row is not None:
            decrypt_secret(self._secret_key, row["key_id"], row["secret_encrypted"])

    async def refresh(self) -> None:
        """Apply the new events of the administration stream."""
        async with self._refreshing:
            self.apply(
                await self._log.read_stream(
                    EVERY_TENANT, ADMINISTRATION_STREAM, after=self._keys.version
                )
            )

    def apply(self, events: Iterable[Event]) -> None:
        """Apply events in the order of the log; a revoked key is evicted at once."""
        for event in events:
            revoked = self._keys.apply(event)
            if revoked is not None:
                self._evict(revoked)

    async def by_token(self, token: str) -> Principal:
        """Authenticate the token of a key.

        Raises:
            Unauthenticated: it is unknown, expired or revoked.
        """
        sha256 = _sha256(token)
        found = self._tokens.get(sha256)
        if found is None:
            if not token.startswith(TOKEN_PREFIX):
                raise Unauthenticated(_UNKNOWN)
            found = await self._load("by_token", sha256)
        return _unexpired(found)

    def issue_token(self, principal: Principal) -> str:
        """Issue a short-lived token for a principal's credential, in the principal's tenant.

        Raises:
            Unauthenticated: the credential was revoked meanwhile.
        """
        key = self._valid(principal.key_id)
        until_s = key.expires_at.timestamp() if key.expires_at else float("inf")
        return self._token_issuer.issue(principal.key_id, principal.tenant, until_s=until_s)

    def switch_tenant(self, principal: Principal, tenant: str) -> Principal:
        """Switch a principal to a tenant: with a ledger-wide credential to any that has keys.

        Raises:
            NotFound: this principal may not use that tenant, or it does not exist.
            Unauthenticated: the credential was revoked meanwhile.
        """
        own = self._valid(principal.key_id).principal.tenant
        known = {key.principal.tenant for key in self._keys.keys.values()}
        if own not in (tenant, EVERY_TENANT) or tenant not in known:
            raise NotFound(f"there is no tenant {tenant}")
        return replace(principal, tenant=tenant)

    async def by_issued_token(self, token: str) -> Principal:
        """Authenticate an issued token; it carries the rights of its credential.

        Raises:
            Unauthenticated: it is not valid, has expired, or its credential was revoked.
        """
        sha256 = _sha256(token)
        found = self._cached_tokens.get(sha256) or await self._verify_issued(sha256, token)
        if found.expires_s <= time.time():
            self._cached_tokens.pop(sha256, None)
            raise Unauthenticated("the token has expired")
        self._valid(found.principal.key_id)
        return found.principal

    async def _verify_issued(self, sha256: bytes, token: str) -> _CachedToken:
        claims = self._token_issuer.verify(token)
        if claims.key_id not in self._keys.keys:
            # Another process created the key and issued this; its event is not applied here yet.
            await self.refresh()
        principal = self._valid(claims.key_id).principal
        found = _CachedToken(replace(principal, tenant=claims.tenant), claims.expires_s)
        if len(self._cached_tokens) >= MAX_CACHED_TOKENS:
            del self._cached_tokens[next(iter(self._cached_tokens))]
        self._cached_tokens[sha256] = found
        return found

    def _valid(self, key_id: str) -> Key:
        key = self._keys.valid(key_id)
        if key is None:
            raise Unauthenticated(_UNKNOWN)
        return key

    async def by_password(self, username: str, password: str) -> Principal:
        """Authenticate a username and password.

        Raises:
            Unauthenticated: they are unknown, expired or revoked.
        """
        found = self._usernames.get(username) or await self._load_text("by_username", username)
        if not compare_digest(found.password_sha256, _sha256(password)):
            raise Unauthenticated(_UNKNOWN)
        return _unexpired(found)

    async def by_access_key(self, access_key: str) -> tuple[Principal, bytes]:
        """Find the principal of an access key, and the secret that verifies its signatures.

        Raises:
            Unauthenticated: it is unknown, expired or revoked.
        """
        found = self._access_keys.get(access_key) or await self._load_text(
            "by_access_key", access_key
        )
        if found.secret is None:
            found.secret = self._decrypt(found)
        return _unexpired(found), found.secret

    async def create(
        self,
        *,
        tenant: str,
        role: str,
        name: str,
        expires_at: datetime | None = None,
        origin: Origin = _COMMAND_LINE,
    ) -> NewCredential:
        """Create a credential; a crash halfway leaves a row that is never valid.

        Raises:
            BadRequest: tenant, role, name or expiry are wrong.
            LogError: the log refuses the event.
        """
        role = ALIASES.get(role, role)
        check_key(tenant, role, name, expires_at)
        generated = generate()
        await self._insert(generated)
        body = KeyCreated(key_id=generated.key_id, tenant=tenant, name=name, role=role)
        if expires_at is not None:
            body["expires_at"] = expires_at.astimezone(UTC).isoformat()
        await self._record(KEY_CREATED, body, origin)
        return NewCredential(
            key_id=generated.key_id,
            tenant=tenant,
            role=role,
            token=generated.token,
            username=generated.username,
            password=generated.password,
            access_key=generated.access_key,
            secret_key=generated.secret_key,
        )

    async def revoke(self, key_id: str, *, origin: Origin = _COMMAND_LINE) -> Key:
        """Revoke a key permanently; revoking it again changes nothing.

        Raises:
            NotFound: there is no such key.
            LogError: the log refuses the event.
        """
        await self.refresh()
        key = self._keys.keys.get(key_id)
        if key is None:
            raise NotFound(f"there is no key {key_id}")
        if key.revoked_at is None:
            owner = key.principal
            body = KeyRevoked(key_id=key_id, tenant=owner.tenant, name=owner.name, role=owner.role)
            await self._record(KEY_REVOKED, body, origin)
        return self._keys.keys[key_id]

    async def list(self, tenant: str | None = None) -> list[Key]:
        """List all keys, revoked ones too, oldest first; tenant None: of every tenant."""
        await self.refresh()
        keys = self._keys.keys.values()
        return [key for key in keys if tenant in (None, key.principal.tenant)]

    async def _record(self, event_type: str, body: KeyCreated | KeyRevoked, origin: Origin) -> None:
        event = NewEvent(
            event_id=str(uuid4()),
            type=event_type,
            body=codec.encode_body(body),
            actor=origin.actor,
            metadata=codec.encode(metadata_of(origin)),
        )
        stream = StreamAppend(ADMINISTRATION_STREAM, ExpectedVersion.ANY, (event,))
        await self._log.append_one(AppendRequest(EVERY_TENANT, (stream,)))
        await self.refresh()

    async def _insert(self, generated: CredentialSecrets) -> None:
        with translate_errors():
            await self._pool.execute(
                load(_SQL, "insert"),
                generated.key_id,
                _sha256(generated.token),
                generated.username,
                _sha256(generated.password),
                generated.access_key,
                encrypt_secret(self._secret_key, generated.key_id, generated.secret_key),
            )

    async def _load_text(self, statement: str, text: str) -> _CachedCredential:
        # Postgres rejects NUL and text that is not UTF-8; no generated name has either.
        if not (text.isascii() and text.isprintable()):
            raise Unauthenticated(_UNKNOWN)
        return await self._load(statement, text)

    async def _load(self, statement: str, presented: str | bytes) -> _CachedCredential:
        row = await self._fetch(statement, presented)
        if row is None:
            raise Unauthenticated(_UNKNOWN)
        key_id: str = row["key_id"]
        if key_id not in self._keys.keys:
            # Another process created it a moment ago; its event is not applied here yet.
            await self.refresh()
        return self._cache(_credential(self._valid(key_id), row))

    async def _fetch(self, statement: str, *values: str | bytes) -> asyncpg.Record | None:
        with translate_errors():
            async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                row: asyncpg.Record | None = await self._pool.fetchrow(
                    load(_SQL, statement), *values
                )
                return row

    def _cache(self, found: _CachedCredential) -> _CachedCredential:
        self._tokens[found.token_sha256] = found
        self._usernames[found.username] = found
        self._access_keys[found.access_key] = found
        self._by_key_id[found.principal.key_id] = found
        return found

    def _evict(self, key_id: str) -> None:
        found = self._by_key_id.pop(key_id, None)
        if found is not None:
            del self._tokens[found.token_sha256]
            del self._usernames[found.username]
            del self._access_keys[found.access_key]

    def _decrypt(self, found: _CachedCredential) -> bytes:
        try:
            return decrypt_secret(self._secret_key, found.principal.key_id, found.encrypted_secret)
        except InvalidSetting as error:
            raise Unauthenticated(
                "the secret of this credential is encrypted under another secret key"
            ) from error


def _sha256(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _credential(key: Key, row: asyncpg.Record) -> _CachedCredential:
    return _CachedCredential(
        principal=key.principal,
        expires_s=key.expires_at.timestamp() if key.expires_at else float("inf"),
        token_sha256=row["token_sha256"],
        username=row["username"],
        password_sha256=row["password_sha256"],
        access_key=row["access_key"],
        encrypted_secret=row["secret_encrypted"],
    )


def _unexpired(found: _CachedCredential) -> Principal:
    if found.expires_s <= time.time():
        raise Unauthenticated("the credential has expired")
    return found.principal
