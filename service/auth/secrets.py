"""What credentials are made of: random parts, their digests, a signing secret kept encrypted."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from uuid import uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.errors import InvalidSetting

TOKEN_PREFIX: Final = "fl_"  # noqa: S105 - the part that is no secret
"""Tokens begin with it, so that a scanner finds one that was published by mistake."""

_SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Material:
    """The parts of one credential in clear; they are shown once, when it is made.

    Every part that is secret has 256 bits of randomness, so one SHA-256 is enough to keep it.
    """

    key_id: str
    token: str = field(repr=False)
    username: str
    password: str = field(repr=False)
    access_key: str
    secret_key: str = field(repr=False)


def generate() -> Material:
    """Make the parts of a new credential."""
    return Material(
        key_id=str(uuid4()),
        token=TOKEN_PREFIX + secrets.token_urlsafe(_SECRET_BYTES),
        username=f"fl-{secrets.token_hex(10)}",
        password=secrets.token_urlsafe(_SECRET_BYTES),
        access_key=f"FL{secrets.token_hex(10).upper()}",
        secret_key=secrets.token_urlsafe(_SECRET_BYTES),
    )


def digest(secret: str) -> bytes:
    """Reduce a presented secret, whatever text it is, to its SHA-256."""
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def seal(secret_key: bytes, key_id: str, secret: str) -> bytes:
    """Encrypt a signing secret: a nonce, then AES-256-GCM with the key's id bound to it."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(secret_key).encrypt(nonce, secret.encode(), key_id.encode())


def unseal(secret_key: bytes, key_id: str, sealed: bytes) -> bytes:
    """Decrypt what `seal` made.

    Raises:
        InvalidSetting: it was sealed under another secret key, or for another key's id.
    """
    nonce, encrypted = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return AESGCM(secret_key).decrypt(nonce, encrypted, key_id.encode())
    except InvalidTag as error:
        raise InvalidSetting(
            "FLOWLEDGER_SECRET_KEY",
            "is not the one that the credentials of this ledger were made under; give that one",
        ) from error
