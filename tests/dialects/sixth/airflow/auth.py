"""Authentication of Airflow's clients: HTTP Basic, its ``basic_auth`` backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from service.access import Principal
from service.http.messages import basic_credentials

if TYPE_CHECKING:
    from service.auth.credentials import Credentials


async def authenticate(request: web.Request, credentials: Credentials) -> Principal:
    """Authenticate by HTTP Basic.

    Raises:
        Unauthenticated: the credential is missing, malformed or not known.

    """
    return await credentials.by_password(*basic_credentials(request))
