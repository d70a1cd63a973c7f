"""Who may ask: a bearer token, and the tenant in the path."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from events.types import EVERY_TENANT
from service.access import Principal
from service.auth.credentials import Credentials
from service.errors import NotFound, Unauthenticated
from service.http.messages import bearer_token

_SHOWN: Final = 4


async def authenticate(request: web.Request, credentials: Credentials) -> Principal:
    """Take the token of ``Authorization: Bearer``, and the path's tenant if it is the token's own.

    Whether the role may do what is asked comes after that. Cases of a tenant are told apart.

    Raises:
        Unauthenticated: the header is missing or malformed, or the token is not valid.
        NotFound: the tenant is another.

    Source: docs.incorta.com, "Public API v2", "Load Plan Execution Status".
    """
    try:
        principal = await credentials.by_token(bearer_token(request))
    except Unauthenticated as error:
        raise Unauthenticated(
            "INC_09030108: Invalid authentication header."
            f" Invalid Token [{masked(request.headers.get('Authorization', ''))}]"
        ) from error
    asked = request.match_info["tenant"]
    if principal.tenant not in (asked, EVERY_TENANT):
        raise NotFound(f"Invalid [{asked}] tenant in resource path")
    return principal


def masked(header: str) -> str:
    """Show the beginning of what was sent as a token; of a short one nothing.

    >>> masked("Bearer 3f9ac81e77d20b64"), masked("Bearer secret"), masked("")
    ('3f9a****', '****', '')
    """
    _, _, token = header.partition(" ")
    if not token.isascii() or len(token) < 4 * _SHOWN:
        return "****" if header else ""
    return f"{token[:_SHOWN]}****"
