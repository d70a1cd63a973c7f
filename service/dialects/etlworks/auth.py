"""Who may ask: a bearer token, and the roles that Etlworks lets at executions."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from service.auth.credentials import Credentials
from service.auth.presenting import bearer
from service.auth.principal import Principal
from service.errors import Forbidden
from service.http.keys import PRINCIPAL

ROLES: Final = frozenset({"operator", "editor", "administrator"})
"""Executer is what older pages call the operator; keys know it as an alias."""


async def authenticate(request: web.Request, credentials: Credentials) -> Principal:
    """Take the token of ``Authorization: Bearer``; a non-expiring API key stands there too.

    Raises:
        Unauthenticated: the header is missing or malformed, or the token is not valid.

    Source: support.etlworks.com, "Calling Etlworks Built-in APIs".
    """
    return await credentials.by_token(bearer(request))


def reader(request: web.Request) -> Principal:
    """Name who asks for an execution, once the role is one of those that Etlworks lists.

    Raises:
        Forbidden: a viewer or an auditor asks.

    Source: support.etlworks.com, "Get Flow status API": Operator, Editor, Administrator.
    """
    principal = request[PRINCIPAL]
    if principal.role not in ROLES:
        raise Forbidden(f"Role {principal.role} may not read executions")
    return principal
