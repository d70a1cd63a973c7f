"""Short-lived signed tokens that stand for a credential; they are stored nowhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.errors import Unauthenticated

ALGORITHM: Final = "HS256"
"""The only algorithm that is accepted, whatever a token's header says."""

MAX_LENGTH: Final = 1024
"""Maximum length in characters; ours have about 300."""

_CLAIMS: Final = ("sub", "tenant", "exp")
_PURPOSE: Final = b"flowledger: tokens issued for credentials, version 1"


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a token: its credential, its tenant, its expiry."""

    key_id: str
    tenant: str
    expires_s: float


class TokenIssuer:
    """Issues and verifies JSON Web Tokens, signed with a key derived from the secret key.

    All processes of a ledger share the secret key, so each accepts what another has issued.
    """

    def __init__(self, secret_key: bytes, lifetime_s: float) -> None:
        self._key = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret_key)
        self._lifetime_s = lifetime_s

    def issue(self, key_id: str, tenant: str, *, until_s: float) -> str:
        """Issue a token for a credential; it expires with the credential at the latest."""
        now = int(time.time())
        claims = {
            "sub": key_id,
            "tenant": tenant,
            "iat": now,
            "exp": int(min(now + self._lifetime_s, until_s)),
        }
        return jwt.encode(claims, self._key, ALGORITHM)

    def verify(self, token: str) -> Claims:
        """Verify a token; its credential may have been revoked meanwhile.

        Raises:
            Unauthenticated: this ledger did not issue it, it was altered, or it has expired.
        """
        if len(token) > MAX_LENGTH or not token.isascii():
            raise Unauthenticated("the token is none of this ledger")
        try:
            # The clocks of two processes differ, so the time of issue is not checked.
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                options={"require": list(_CLAIMS), "verify_iat": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("the token has expired") from error
        except (jwt.InvalidTokenError, RecursionError) as error:
            raise Unauthenticated("the token is none of this ledger") from error
        return Claims(claims["sub"], claims["tenant"], float(claims["exp"]))
