"""The secrets of a credential: random parts, and the encryption of its signing secret."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.errors import InvalidSetting

TOKEN_PREFIX: Final = "fl_"  # noqa: S105 - the part that is no secret
"""Prefix of every token, so that a secret scanner finds a leaked one."""

_SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class CredentialSecrets:
    """The parts of one credential in plain text; they are shown once, when it is created.

    Every secret part has 256 random bits, so a single SHA-256 protects its stored digest.
    """

    key_id: str
    token: str = field(repr=False)
    username: str
    password: str = field(repr=False)
    access_key: str
    secret_key: str = field(repr=False)


def generate() -> CredentialSecrets:
    """Generate the parts of a new credential."""
    return CredentialSecrets(
        key_id=str(uuid4()),
        token=TOKEN_PREFIX + secrets.token_urlsafe(_SECRET_BYTES),
        username=f"fl-{secrets.token_hex(10)}",
        password=secrets.token_urlsafe(_SECRET_BYTES),
        access_key=f"FL{secrets.token_hex(10).upper()}",
        secret_key=secrets.token_urlsafe(_SECRET_BYTES),
    )


def encrypt_secret(secret_key: bytes, key_id: str, secret: str) -> bytes:
    """Encrypt a signing secret: a nonce, then AES-256-GCM bound to the key's id."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(secret_key).encrypt(nonce, secret.encode(), key_id.encode())


def decrypt_secret(secret_key: bytes, key_id: str, encrypted_secret: bytes) -> bytes:
    """Decrypt what `encrypt_secret` returned.

    Raises:
        InvalidSetting: it was encrypted under another secret key, or for another key's id.
    """
    nonce, encrypted = encrypted_secret[:_NONCE_BYTES], encrypted_secret[_NONCE_BYTES:]
    try:
        return AESGCM(secret_key).decrypt(nonce, encrypted, key_id.encode())
    except InvalidTag as error:
        raise InvalidSetting(
            "FLOWLEDGER_SECRET_KEY",
            "is not the key that this ledger's credentials were encrypted under; set that one",
        ) from error
