"""Authentication of Etlworks' clients, and the roles that may read executions."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from service.access import Principal
from service.auth.credentials import Credentials
from service.auth.secrets import TOKEN_PREFIX
from service.errors import Forbidden
from service.http.context import CONTEXT
from service.http.messages import basic_credentials, bearer_token, parse_bearer
from service.runtime import SERVICE

ROLES: Final = frozenset({"operator", "editor", "administrator"})
"""Older pages call the operator executer; keys accept that as an alias."""

QUERY: Final = "Authorization"
"""The parameter that carries a token in place of the header."""


async def authenticate(request: web.Request, credentials: Credentials) -> Principal:
    """Authenticate by ``Authorization: Bearer``: an issued token or an API key.

    A listener also accepts username and password. The log download accepts the token in the query,
    and so do all other paths if a setting allows it.

    Raises:
        Unauthenticated: the credential is missing, malformed or not valid.

    Source: support.etlworks.com, "Calling Etlworks Built-in APIs", "Call user-defined API",
    "Download the Flow log API".
    """
    if "Authorization" not in request.headers and _accepts_query_token(request):
        token = parse_bearer(request.query.get(QUERY, ""))
    elif _is_basic(request):
        return await credentials.by_password(*basic_credentials(request))
    else:
        token = bearer_token(request)
    if token.startswith(TOKEN_PREFIX):
        return await credentials.by_token(token)
    return await credentials.by_issued_token(token)


def _accepts_query_token(request: web.Request) -> bool:
    if "?" not in request.raw_path or QUERY not in request.query:
        return False
    return (
        request.path.endswith("/console/download")
        or request.app[SERVICE].settings.etlworks_query_token
    )


def _is_basic(request: web.Request) -> bool:
    if request.headers.get("Authorization", "")[:6].lower() != "basic ":
        return False
    return "/httplistener/" in request.path


def require_reader(request: web.Request) -> Principal:
    """Return the principal if its role may read executions in Etlworks.

    Raises:
        Forbidden: the principal is a viewer or an auditor.

    Source: support.etlworks.com, "Get Flow status API": Operator, Editor, Administrator.
    """
    principal = request[CONTEXT].principal
    if principal.role not in ROLES:
        raise Forbidden(f"Role {principal.role} may not read executions")
    return principal
