"""How a request presents a credential; what a signature is made of is its vendor's business."""

from __future__ import annotations

import base64
import binascii

from aiohttp import web

from service.errors import Unauthenticated


def bearer(request: web.Request) -> str:
    """Take the token of ``Authorization: Bearer token``.

    Raises:
        Unauthenticated: the header is missing, repeated or of another shape.

    Source: RFC 6750, 2.1.
    """
    return _authorization(request, "bearer")


def bearer_of(text: str) -> str:
    """Take the token of a text ``Bearer token``, as a header or a query has it.

    Raises:
        Unauthenticated: it is of another shape.
    """
    return _credential(text, "bearer")


def basic(request: web.Request) -> tuple[str, str]:
    """Take username and password of ``Authorization: Basic base64(username:password)``.

    Raises:
        Unauthenticated: the header is missing, repeated or of another shape.

    Source: RFC 7617.
    """
    try:
        text = base64.b64decode(_authorization(request, "basic"), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unauthenticated("the Basic credential is not base64 of username:password") from error
    username, colon, password = text.partition(":")
    if not colon:
        raise Unauthenticated("the Basic credential is not base64 of username:password")
    return username, password


def api_key(request: web.Request, *, header: str = "x-api-key", parameter: str = "api_key") -> str:
    """Take the key from a header or, failing that, from the query.

    Raises:
        Unauthenticated: there is none.
    """
    key = request.headers.get(header) or request.query.get(parameter)
    if not key:
        raise Unauthenticated(f"no key: give it as {header} or in the query as {parameter}")
    return key


def _authorization(request: web.Request, scheme: str) -> str:
    given = request.headers.getall("Authorization", ())
    if len(given) != 1:
        raise Unauthenticated("exactly one Authorization header is needed")
    return _credential(given[0], scheme)


def _credential(text: str, scheme: str) -> str:
    found, _, credential = text.partition(" ")
    credential = credential.strip()
    if found.lower() != scheme or not credential or not credential.isascii():
        raise Unauthenticated(f"the authorization is not of the form: {scheme.title()} ...")
    return credential
