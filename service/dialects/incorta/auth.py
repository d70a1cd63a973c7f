"""Authentication of Incorta's clients: a bearer token, and the tenant in the path."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from events.types import EVERY_TENANT
from service.access import Principal
from service.auth.credentials import Credentials
from service.errors import NotFound, Unauthenticated
from service.http.messages import bearer_token

_VISIBLE_CHARACTERS: Final = 4


async def authenticate(request: web.Request, credentials: Credentials) -> Principal:
    """Authenticate by ``Authorization: Bearer``; the path must name the token's own tenant.

    The role is checked afterwards. Tenant names are case-sensitive.

    Raises:
        Unauthenticated: the header is missing or malformed, or the token is not valid.
        NotFound: the path names another tenant.

    Source: docs.incorta.com, "Public API v2", "Load Plan Execution Status".
    """
    try:
        principal = await credentials.by_token(bearer_token(request))
    except Unauthenticated as error:
        raise Unauthenticated(
            "INC_09030108: Invalid authentication header."
            f" Invalid Token [{mask(request.headers.get('Authorization', ''))}]"
        ) from error
    tenant = request.match_info["tenant"]
    if principal.tenant not in (tenant, EVERY_TENANT):
        raise NotFound(f"Invalid [{tenant}] tenant in resource path")
    return principal


def mask(header: str) -> str:
    """Return the beginning of a token and asterisks; of a short one nothing.

    >>> mask("Bearer 3f9ac81e77d20b64"), mask("Bearer secret"), mask("")
    ('3f9a****', '****', '')
    """
    _, _, token = header.partition(" ")
    if not token.isascii() or len(token) < 4 * _VISIBLE_CHARACTERS:
        return "****" if header else ""
    return f"{token[:_VISIBLE_CHARACTERS]}****"
