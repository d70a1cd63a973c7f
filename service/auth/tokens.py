"""Tokens that are issued for a credential: signed, short-lived, kept nowhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.errors import Unauthenticated

ALGORITHM: Final = "HS256"
"""The only one that is signed with and taken: what a token's header says is not asked."""

MAX_LENGTH: Final = 1024
"""Characters of a token; ours have some 300."""

_CLAIMS: Final = ("sub", "tenant", "exp")
_PURPOSE: Final = b"flowledger: tokens issued for credentials, version 1"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says: for which credential it stands, in which tenant, and until when."""

    key_id: str
    tenant: str
    expires_s: float


class Tokens:
    """Issues and reads JSON Web Tokens, signed by a key that is derived from the secret key.

    Every process of a ledger has the same secret key, so each takes what another has issued.
    """

    def __init__(self, secret_key: bytes, life_s: float) -> None:
        self._key = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret_key)
        self._life_s = life_s

    def issue(self, key_id: str, tenant: str, *, until_s: float) -> str:
        """Issue a token for a credential, which ends with the credential at the latest."""
        now = int(time.time())
        claims = {
            "sub": key_id,
            "tenant": tenant,
            "iat": now,
            "exp": int(min(now + self._life_s, until_s)),
        }
        return jwt.encode(claims, self._key, ALGORITHM)

    def read(self, token: str) -> Claims:
        """Read a token that this ledger has issued; whether its credential is valid is not asked.

        Raises:
            Unauthenticated: it is none, was altered, or has expired.
        """
        if len(token) > MAX_LENGTH or not token.isascii():
            raise Unauthenticated("the token is none of this ledger")
        try:
            # Clocks of two processes differ: when it was issued decides nothing.
            said = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                options={"require": list(_CLAIMS), "verify_iat": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("the token has expired") from error
        except (jwt.InvalidTokenError, RecursionError) as error:
            raise Unauthenticated("the token is none of this ledger") from error
        return Claims(said["sub"], said["tenant"], float(said["exp"]))
