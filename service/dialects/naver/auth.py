"""NAVER Cloud's signature v2: made by clients, verified over the request target as it was sent.

Source: api.ncloud-docs.com, common-ncpapi and analytics-dataflow; `hmac/hmac.go` of the vendor's
Go SDK.
"""

from __future__ import annotations

import re
import time
from binascii import b2a_base64
from collections.abc import Mapping
from hmac import compare_digest, digest
from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp import web

from service.access import Principal
from service.errors import Unauthenticated

if TYPE_CHECKING:
    from service.auth.credentials import Credentials

TIMESTAMP: Final = "x-ncp-apigw-timestamp"
ACCESS_KEY: Final = "x-ncp-iam-access-key"
SIGNATURE: Final = "x-ncp-apigw-signature-v2"
WINDOW_MS: Final = 5 * 60 * 1000
REFUSED: Final = "Invalid authentication information."
_MILLISECONDS: Final = re.compile(r"[0-9]{1,19}")
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def sign(method: str, uri: str, timestamp_ms: str, access_key: str, secret_key: str) -> str:
    """Sign a request; ``uri`` is path and query as sent, without ``?`` if there is no query.

    >>> sign("GET", "/api/v1/workflows/wfA1b2C3d4E5/executions", "1735689600000",
    ...      "LEDGERTESTACCESSKEY1", "ledger-test-secret-key-0001")
    'OvwbYXnFCuSzJlRpiNSReGopH53p8Jey8618mtg1md8='
    """
    return _signature(method, uri, timestamp_ms, access_key, _bytes(secret_key)).decode()


def _signature(
    method: str, uri: str, timestamp_ms: str, access_key: str, secret_key: bytes
) -> bytes:
    text = f"{method} {uri}\n{timestamp_ms}\n{access_key}"
    return b2a_base64(digest(secret_key, _bytes(text), "sha256"), newline=False)


def _bytes(text: str) -> bytes:
    # The bytes that were sent: aiohttp decodes bytes that are not UTF-8 to surrogates.
    return text.encode("utf-8", "surrogateescape")


def signed_target(raw: str) -> str:
    """Return the signed part of a request target: without scheme and authority, undecoded.

    >>> signed_target("http://ledger.example:8080/api/v1/workflows?filter=%2B")
    '/api/v1/workflows?filter=%2B'
    """
    if raw.startswith("/"):
        return raw
    absolute = _ABSOLUTE.match(raw)
    return raw[absolute.end() :] if absolute else raw


class SignatureHeaders(NamedTuple):
    """The three headers of a signed request; ``timestamp_ms`` is the text that was signed.

    A named tuple, which is cheap to create for every request.
    """

    timestamp_ms: str
    access_key: str
    signature: str

    def is_timely(self, now_ms: float) -> bool:
        """Tell whether it was signed at most five minutes before or after now."""
        return abs(now_ms - int(self.timestamp_ms)) <= WINDOW_MS

    def is_valid_for(self, method: str, uri: str, secret_key: bytes) -> bool:
        """Verify the signature of this request, in constant time."""
        expected = _signature(method, uri, self.timestamp_ms, self.access_key, secret_key)
        return compare_digest(expected, _bytes(self.signature))


def read_signature_headers(headers: Mapping[str, str]) -> SignatureHeaders:
    """Read the headers of a signed request.

    Raises:
        Unauthenticated: one is missing or malformed.

    """
    given = SignatureHeaders(
        headers.get(TIMESTAMP, ""), headers.get(ACCESS_KEY, ""), headers.get(SIGNATURE, "")
    )
    if not (given.signature and given.access_key and given.access_key.isascii()):
        raise Unauthenticated(REFUSED)
    if _MILLISECONDS.fullmatch(given.timestamp_ms) is None:
        raise Unauthenticated(REFUSED)
    return given


async def authenticate(request: web.Request, credentials: Credentials) -> Principal:
    """Authenticate by access key, time window and signature.

    Raises:
        Unauthenticated: one of them is wrong; the error does not say which.

    """
    given = read_signature_headers(request.headers)
    principal, secret = await credentials.by_access_key(given.access_key)
    uri = signed_target(request.raw_path)
    if given.is_timely(time.time() * 1000) and given.is_valid_for(request.method, uri, secret):
        return principal
    raise Unauthenticated(REFUSED)
