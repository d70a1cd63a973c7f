"""HTTP messages: reads bodies, headers and parameters of requests, and writes JSON responses."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime
from typing import Any, Concatenate, Final, TypeVar, cast

import orjson
from aiohttp import web

from events import codec
from projections.results import Document
from service.errors import BadRequest, TooLarge, Unauthenticated, UnsupportedEncoding
from service.runs.domain.commands import Outcome

D = TypeVar("D")

BODY_TIMEOUT_S: Final = 60.0
"""Time limit for a body to arrive: a slower client would hold a connection for ever."""

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
MAX_KEY_LENGTH: Final = 200

CONTENT_ENCODING: Final = "Content-Encoding"
_WINDOW_BITS: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}

CACHE_CONTROL: Final = "Cache-Control"
REVALIDATE: Final = "private, no-cache"
"""A cache of this client alone may keep the answer, and asks each time whether it still holds."""

_INFLATED: Final[web.RequestKey[bytes]] = web.RequestKey("inflated", bytes)

_INTEGER: Final = re.compile(r"-?[0-9]{1,19}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


async def read_json(request: web.Request, max_bytes: int | None = None) -> Any:  # noqa: ANN401 - any JSON value
    """Read the body as JSON that the log can store without loss.

    Raises:
        TooLarge: the body has more than ``max_bytes``.
        BadRequest: the body is not such JSON, or cannot be read.
    """
    raw = await read_body(request)
    if max_bytes is not None and len(raw) > max_bytes:
        raise TooLarge(f"the body is larger than {max_bytes} bytes")
    if not raw:
        raise BadRequest("the body is empty; send JSON")
    return codec.parse(raw)


async def read_body(request: web.Request) -> bytes:
    """Read the whole body, inflated, within FLOWLEDGER_MAX_BODY and `BODY_TIMEOUT_S`.

    Raises:
        TooLarge: it is larger, as it was sent or inflated.
        BadRequest: it does not inflate, ends too early, or does not arrive in time.
        UnsupportedEncoding: it is compressed otherwise than by gzip or deflate.
    """
    if CONTENT_ENCODING not in request.headers:
        return await _read_raw(request)
    if _INFLATED not in request:
        encoding = _content_encoding(request)
        raw = await _read_raw(request)
        most = request.client_max_size
        # In a thread, since it takes milliseconds; the limit bounds the time too.
        request[_INFLATED] = await asyncio.to_thread(inflate, raw, encoding, most)
    return request[_INFLATED]


def _content_encoding(request: web.Request) -> str:
    """Return ``gzip``, ``deflate`` or ``identity``."""
    given = ",".join(request.headers.getall(CONTENT_ENCODING)).strip().lower() or "identity"
    encoding = "gzip" if given == "x-gzip" else given
    if encoding not in {*_WINDOW_BITS, "identity"}:
        raise UnsupportedEncoding(given)
    return encoding


def inflate(raw: bytes, encoding: str, most: int) -> bytes:
    """Decompress a body; no more than ``most`` bytes, and one more, are ever made.

    Raises:
        TooLarge: it has more than ``most`` bytes.
        BadRequest: it is not of this encoding, or is cut short.

    >>> import zlib
    >>> inflate(zlib.compress(b"abc"), "deflate", 3)
    b'abc'
    """
    if encoding == "identity":
        return raw
    # Some clients send deflate without zlib's frame (RFC 9110, 8.4.1.2): a frame begins with 8.
    framed = encoding == "gzip" or (bool(raw) and raw[0] & 0x0F == zlib.DEFLATED)
    inflater = zlib.decompressobj(_WINDOW_BITS[encoding] if framed else -zlib.MAX_WBITS)
    try:
        body = inflater.decompress(raw, most + 1)
    except zlib.error as error:
        raise BadRequest(f"the body is not {encoding}, or is damaged") from error
    if len(body) > most:
        raise TooLarge(f"the body is larger than {most} bytes once inflated")
    if not inflater.eof or inflater.unused_data:
        raise BadRequest(f"the {encoding} of the body is cut short, or something follows it")
    return body


async def _read_raw(request: web.Request) -> bytes:
    try:
        if request.content.is_eof():
            return await request.read()
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.read()
    except TimeoutError as error:
        raise BadRequest(
            f"the body did not arrive within {BODY_TIMEOUT_S:g} s; send it again"
        ) from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise BadRequest("the body cannot be read: it is cut short or badly encoded") from error


def bearer_token(request: web.Request) -> str:
    """Read the token of ``Authorization: Bearer token``.

    Raises:
        Unauthenticated: the header is missing, repeated or malformed.

    Source: RFC 6750, 2.1.
    """
    return parse_bearer(_authorization(request))


def parse_bearer(text: str) -> str:
    """Parse ``Bearer token``, from a header or a query; returns the token.

    Raises:
        Unauthenticated: it is malformed.
    """
    return _parse_authorization(text, "bearer")


def basic_credentials(request: web.Request) -> tuple[str, str]:
    """Read username and password of ``Authorization: Basic base64(username:password)``.

    Raises:
        Unauthenticated: the header is missing, repeated or malformed.

    Source: RFC 7617.
    """
    encoded = _parse_authorization(_authorization(request), "basic")
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unauthenticated("the Basic credential is not base64 of username:password") from error
    username, colon, password = text.partition(":")
    if not colon:
        raise Unauthenticated("the Basic credential is not base64 of username:password")
    return username, password


def _authorization(request: web.Request) -> str:
    given = request.headers.getall("Authorization", ())
    if len(given) != 1:
        raise Unauthenticated("exactly one Authorization header is needed")
    return given[0]


def _parse_authorization(text: str, scheme: str) -> str:
    found, _, credential = text.partition(" ")
    credential = credential.strip()
    if found.lower() != scheme or not credential or not credential.isascii():
        raise Unauthenticated(f"the authorization is not of the form: {scheme.title()} ...")
    return credential


def read_idempotency_key(request: web.Request) -> str:
    """Read ``Idempotency-Key``: 1 to 200 printable ASCII characters, or empty if absent.

    Raises:
        BadRequest: the header is repeated, empty, too long or has other characters.
    """
    keys = request.headers.getall(IDEMPOTENCY_KEY, ())
    if not keys:
        return ""
    if len(keys) > 1:
        raise BadRequest(
            f"send {IDEMPOTENCY_KEY} once, not {len(keys)} times", field=IDEMPOTENCY_KEY
        )
    (key,) = keys
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise BadRequest(
            f"{IDEMPOTENCY_KEY} must be 1 to {MAX_KEY_LENGTH} printable ASCII characters",
            field=IDEMPOTENCY_KEY,
        )
    return key


def parse_integer(text: str, name: str, *, low: int = 1, high: int = 2**31 - 1) -> int:
    """Parse a whole number within bounds: ASCII digits only, no sign but a minus.

    Raises:
        BadRequest: it is not one, or out of bounds; names the parameter.

    >>> parse_integer("42", "page")
    42
    """
    if not _INTEGER.fullmatch(text) or not low <= (value := int(text)) <= high:
        raise BadRequest(f"{name} must be a whole number from {low} to {high}", field=name)
    return value


def parse_uuid(text: str, name: str) -> str:
    """Parse a UUID with hyphens, in any case; returns it in lower case.

    Raises:
        BadRequest: it is not one; names the parameter.
    """
    if not _UUID.fullmatch(text):
        raise BadRequest(f"{name} must be a UUID", field=name)
    return text.lower()


def parse_time(value: object, name: str) -> datetime:
    """Parse an RFC 3339 time with its offset; returns it in UTC.

    Raises:
        BadRequest: it is not one; names the parameter.
    """
    invalid = BadRequest(
        f"{name} must be a time like 2026-01-31T09:00:00Z, with offset", field=name
    )
    if not isinstance(value, str):
        raise invalid
    try:
        at = datetime.fromisoformat(value)
        in_utc = at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid from None
    if at.tzinfo is None:
        raise invalid
    return in_utc


def json_response(
    value: object,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> web.Response:
    """Answer with a value as JSON in UTF-8."""
    return web.Response(
        body=orjson.dumps(value), status=status, headers=headers, content_type=content_type
    )


def cached_response(
    render: Callable[Concatenate[D, ...], object],
    document: D,
    *arguments: Hashable,
    encode: Callable[[object], bytes] = orjson.dumps,
) -> web.Response:
    """Answer with ``render(document, *arguments)`` as JSON, made once per document.

    ``render`` must depend on nothing else: neither on the clock nor on the caller. A client that
    polls a run mostly finds the same document, and rendering takes longer than the look-up. The
    cache belongs to the document, which is a `Document` as queries return it, so it is never stale.
    """
    owner = cast("Document", document)
    cache = owner.response_cache
    if cache is None:
        cache = owner.response_cache = {}
    key = (render, *arguments)
    found = cache.get(key)
    if found is None:
        body = encode(render(document, *arguments))
        headers = {"Content-Type": "application/json", "ETag": entity_tag(body)}
        found = cache[key] = body, headers | {CACHE_CONTROL: REVALIDATE}
    return web.Response(body=found[0], headers=found[1])


def entity_tag(body: bytes) -> str:
    """Make the ``ETag`` of a body: weak, since a compressed answer has the same one.

    >>> entity_tag(b"{}")
    'W/"01e7b720ff566d53"'
    """
    return f'W/"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'


def not_modified(request: web.Request, response: web.StreamResponse) -> bool:
    """Tell whether ``If-None-Match`` names the response's ``ETag`` (RFC 9110, 13.1.2)."""
    tag, given = response.headers.get("ETag"), request.headers["If-None-Match"]
    # The quotes delimit a tag; weak and strong ones compare alike here.
    return tag is not None and (given.strip() == "*" or tag.removeprefix("W/") in given)


def replay_header(outcome: Outcome) -> dict[str, str]:
    """Return the header that marks the answer to a repeated request, or no header."""
    return {REPLAYED: "true"} if outcome.replayed else {}
