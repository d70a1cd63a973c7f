"""Authentication of Director's clients: HTTP Basic, unless its routes are open.

Source: RFC 7617; celery-director 0.9.0 with and without ``DIRECTOR_AUTH_ENABLED``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from service.access import Principal
from service.errors import Unauthenticated
from service.http.messages import basic_credentials
from service.runtime import SERVICE

if TYPE_CHECKING:
    from service.auth.credentials import Credentials

ANONYMOUS: Final = "anonymous"


async def authenticate(request: web.Request, credentials: Credentials) -> Principal:
    """Authenticate by HTTP Basic.

    If ``FLOWLEDGER_DIRECTOR_OPEN`` opens the routes, an unknown credential counts as none, as in
    Director itself without authentication; a known one still counts.

    Raises:
        Unauthenticated: the routes are not open and the credential is missing or unknown.

    """
    try:
        username, password = basic_credentials(request)
        return await credentials.by_password(username, password)
    except Unauthenticated:
        opened = request.app[SERVICE].settings.director_open
        if opened is None:
            raise
        tenant, role = opened
        return Principal(key_id="", name=ANONYMOUS, tenant=tenant, role=role)
