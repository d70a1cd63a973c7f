"""Credentials made, presented and revoked: a table holds secrets, the log says what is valid."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg

from events import codec
from events.bodies import KeyCreated, KeyRevoked
from events.database import load, translate_errors
from events.envelope import (
    AppendRequest,
    AppendResult,
    Event,
    ExpectedVersion,
    NewEvent,
    StreamAppend,
)
from events.store import Log
from events.types import ADMINISTRATION_STREAM, EVERY_TENANT, KEY_CREATED, KEY_REVOKED
from service.access import ALIASES, Principal
from service.auth.keys import Key, Lifecycle, check_key
from service.auth.secrets import TOKEN_PREFIX, Material, digest, generate, seal, unseal
from service.auth.tokens import Tokens
from service.errors import InvalidSetting, NotFound, Unauthenticated
from service.origin import Origin, metadata_of

LOOKUP_TIMEOUT_S: Final = 5.0
_SQL: Final = Path(__file__).parent / "sql"
_COMMAND_LINE: Final = Origin(actor="cli", source="cli")
MOST_ISSUED: Final = 10_000
"""Issued tokens that are remembered as read; beyond that the first of them is read again."""

TOKEN_LIFE_S: Final = 600.0
_UNKNOWN: Final = "the credential is not known, or was revoked"


@dataclass(frozen=True, slots=True)
class Created:
    """A new credential with all its parts in clear, for the one time they are shown."""

    key_id: str
    tenant: str
    role: str
    token: str = field(repr=False)
    username: str
    password: str = field(repr=False)
    access_key: str
    secret_key: str = field(repr=False)


@dataclass(slots=True)
class _Credential:
    """A valid credential that was presented before, kept in memory."""

    principal: Principal
    expires_s: float
    token_sha256: bytes
    username: str
    password_sha256: bytes
    access_key: str
    sealed: bytes
    secret: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Issued:
    """An issued token that was read before."""

    principal: Principal
    expires_s: float


class Credentials:
    """Every way to present a credential, and the life of keys.

    Only valid credentials are remembered, so what strangers present takes no memory: it costs one
    query each, on a pool that nobody else should use.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        log: Log,
        secret_key: bytes,
        *,
        token_life_s: float = TOKEN_LIFE_S,
    ) -> None:
        self._pool = pool
        self._log = log
        self._secret_key = secret_key
        self._lifecycle = Lifecycle()
        self._refreshing = asyncio.Lock()
        self._tokens: dict[bytes, _Credential] = {}
        self._usernames: dict[str, _Credential] = {}
        self._access_keys: dict[str, _Credential] = {}
        self._remembered: dict[str, _Credential] = {}
        self._issuing = Tokens(secret_key, token_life_s)
        self._issued: dict[bytes, _Issued] = {}

    async def start(self) -> None:
        """Read the keys' lives from the log, and prove the secret key on the newest credential.

        Raises:
            InvalidSetting: the secret key is not the one that the credentials were made under.
            LogUnavailable: the database does not answer.
        """
        await self.refresh()
        row = await self._fetch("newest")
        if row is not None:
            unseal(self._secret_key, row["key_id"], row["secret_encrypted"])

    async def refresh(self) -> None:
        """Read on in the administration stream."""
        async with self._refreshing:
            self.apply(
                await self._log.read_stream(
                    EVERY_TENANT, ADMINISTRATION_STREAM, after=self._lifecycle.version
                )
            )

    def apply(self, events: Iterable[Event]) -> None:
        """Take what the log tells, in its order: revoked keys are forgotten at once."""
        for event in events:
            revoked = self._lifecycle.apply(event)
            if revoked is not None:
                self._forget(revoked)

    async def by_token(self, token: str) -> Principal:
        """Name whose token this is.

        Raises:
            Unauthenticated: it is unknown, expired or revoked.
        """
        sha256 = digest(token)
        found = self._tokens.get(sha256)
        if found is None:
            if not token.startswith(TOKEN_PREFIX):
                raise Unauthenticated(_UNKNOWN)
            found = await self._load("by_token", sha256)
        return _unexpired(found)

    def issue(self, principal: Principal) -> str:
        """Issue a short-lived token that stands for a principal's credential, in its tenant.

        Raises:
            Unauthenticated: the credential was revoked meanwhile.
        """
        key = self._valid(principal.key_id)
        until_s = key.expires_at.timestamp() if key.expires_at else float("inf")
        return self._issuing.issue(principal.key_id, principal.tenant, until_s=until_s)

    def switched(self, principal: Principal, tenant: str) -> Principal:
        """Put a principal into a tenant: a credential of the whole ledger into any that has keys.

        Raises:
            NotFound: to this principal there is no such tenant.
            Unauthenticated: the credential was revoked meanwhile.
        """
        own = self._valid(principal.key_id).principal.tenant
        known = {key.principal.tenant for key in self._lifecycle.keys.values()}
        if own not in (tenant, EVERY_TENANT) or tenant not in known:
            raise NotFound(f"there is no tenant {tenant}")
        return replace(principal, tenant=tenant)

    async def by_issued(self, token: str) -> Principal:
        """Name for whom this token was issued; it is as good as its credential.

        Raises:
            Unauthenticated: it is none, has expired, or its credential was revoked.
        """
        sha256 = digest(token)
        found = self._issued.get(sha256) or await self._read_issued(sha256, token)
        if found.expires_s <= time.time():
            self._issued.pop(sha256, None)
            raise Unauthenticated("the token has expired")
        self._valid(found.principal.key_id)
        return found.principal

    async def _read_issued(self, sha256: bytes, token: str) -> _Issued:
        claims = self._issuing.read(token)
        if claims.key_id not in self._lifecycle.keys:
            # Another process made the key and issued this; the key's event has not come by yet.
            await self.refresh()
        whose = self._valid(claims.key_id).principal
        found = _Issued(replace(whose, tenant=claims.tenant), claims.expires_s)
        if len(self._issued) >= MOST_ISSUED:
            del self._issued[next(iter(self._issued))]
        self._issued[sha256] = found
        return found

    def _valid(self, key_id: str) -> Key:
        key = self._lifecycle.valid(key_id)
        if key is None:
            raise Unauthenticated(_UNKNOWN)
        return key

    async def by_password(self, username: str, password: str) -> Principal:
        """Name whose username and password these are.

        Raises:
            Unauthenticated: they are unknown, expired or revoked.
        """
        found = self._usernames.get(username) or await self._load_text("by_username", username)
        if not compare_digest(found.password_sha256, digest(password)):
            raise Unauthenticated(_UNKNOWN)
        return _unexpired(found)

    async def by_access_key(self, access_key: str) -> tuple[Principal, bytes]:
        """Name whose access key this is, with the secret that its signatures are made with.

        Raises:
            Unauthenticated: it is unknown, expired or revoked.
        """
        found = self._access_keys.get(access_key) or await self._load_text(
            "by_access_key", access_key
        )
        if found.secret is None:
            found.secret = self._unsealed(found)
        return _unexpired(found), found.secret

    async def create(
        self,
        *,
        tenant: str,
        role: str,
        name: str,
        expires_at: datetime | None = None,
        origin: Origin = _COMMAND_LINE,
    ) -> Created:
        """Make a credential; a crash halfway leaves a row that was never valid.

        Raises:
            BadRequest: tenant, role, name or expiry are not what a key may have.
            LogError: the log does not take it.
        """
        role = ALIASES.get(role, role)
        check_key(tenant, role, name, expires_at)
        material = generate()
        await self._insert(material)
        body = KeyCreated(key_id=material.key_id, tenant=tenant, name=name, role=role)
        if expires_at is not None:
            body["expires_at"] = expires_at.astimezone(UTC).isoformat()
        await self._record(KEY_CREATED, body, origin)
        return Created(
            key_id=material.key_id,
            tenant=tenant,
            role=role,
            token=material.token,
            username=material.username,
            password=material.password,
            access_key=material.access_key,
            secret_key=material.secret_key,
        )

    async def revoke(self, key_id: str, *, origin: Origin = _COMMAND_LINE) -> Key:
        """Revoke a key for ever; revoking it again changes nothing.

        Raises:
            NotFound: there is no such key.
            LogError: the log does not take it.
        """
        await self.refresh()
        key = self._lifecycle.keys.get(key_id)
        if key is None:
            raise NotFound(f"there is no key {key_id}")
        if key.revoked_at is None:
            who = key.principal
            body = KeyRevoked(key_id=key_id, tenant=who.tenant, name=who.name, role=who.role)
            await self._record(KEY_REVOKED, body, origin)
        return self._lifecycle.keys[key_id]

    async def list(self, tenant: str | None = None) -> list[Key]:
        """Show the keys there ever were, oldest first; None: of every tenant."""
        await self.refresh()
        keys = self._lifecycle.keys.values()
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
        (answer,) = await self._log.append([AppendRequest(EVERY_TENANT, (stream,))])
        if not isinstance(answer, AppendResult):
            raise answer
        await self.refresh()

    async def _insert(self, material: Material) -> None:
        with translate_errors():
            await self._pool.execute(
                load(_SQL, "insert"),
                material.key_id,
                digest(material.token),
                material.username,
                digest(material.password),
                material.access_key,
                seal(self._secret_key, material.key_id, material.secret_key),
                timeout=LOOKUP_TIMEOUT_S,
            )

    async def _load_text(self, statement: str, text: str) -> _Credential:
        # Postgres takes neither NUL nor what is no UTF-8; no name of ours has such.
        if not (text.isascii() and text.isprintable()):
            raise Unauthenticated(_UNKNOWN)
        return await self._load(statement, text)

    async def _load(self, statement: str, presented: str | bytes) -> _Credential:
        row = await self._fetch(statement, presented)
        if row is None:
            raise Unauthenticated(_UNKNOWN)
        key_id: str = row["key_id"]
        if key_id not in self._lifecycle.keys:
            # Made a moment ago by another process, whose event has not come by yet.
            await self.refresh()
        key = self._lifecycle.valid(key_id)
        if key is None:
            raise Unauthenticated(_UNKNOWN)
        return self._remember(_credential(key, row))

    async def _fetch(self, statement: str, *values: str | bytes) -> asyncpg.Record | None:
        with translate_errors():
            async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                return await self._pool.fetchrow(load(_SQL, statement), *values)

    def _remember(self, found: _Credential) -> _Credential:
        self._tokens[found.token_sha256] = found
        self._usernames[found.username] = found
        self._access_keys[found.access_key] = found
        self._remembered[found.principal.key_id] = found
        return found

    def _forget(self, key_id: str) -> None:
        found = self._remembered.pop(key_id, None)
        if found is not None:
            del self._tokens[found.token_sha256]
            del self._usernames[found.username]
            del self._access_keys[found.access_key]

    def _unsealed(self, found: _Credential) -> bytes:
        try:
            return unseal(self._secret_key, found.principal.key_id, found.sealed)
        except InvalidSetting as error:
            raise Unauthenticated("its secret was encrypted under another secret key") from error


def _credential(key: Key, row: asyncpg.Record) -> _Credential:
    return _Credential(
        principal=key.principal,
        expires_s=key.expires_at.timestamp() if key.expires_at else float("inf"),
        token_sha256=row["token_sha256"],
        username=row["username"],
        password_sha256=row["password_sha256"],
        access_key=row["access_key"],
        sealed=row["secret_encrypted"],
    )


def _unexpired(found: _Credential) -> Principal:
    if found.expires_s <= time.time():
        raise Unauthenticated("the credential has expired")
    return found.principal
