"""Authentication of InVision's clients: an API key in the header or the query."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from service.access import Principal
from service.auth.credentials import Credentials
from service.dialects.invision.parsing import parameters
from service.errors import Unauthenticated

HEADER: Final = "x-api-key"
PARAMETER: Final = "api_key"


async def authenticate(request: web.Request, credentials: Credentials) -> Principal:
    """Authenticate by ``x-api-key`` or ``api_key``; both must be equal if both are sent.

    Raises:
        Unauthenticated: no key, two different keys, or a key that is not valid.

    Source: docs.profitbase.com, InVision, Data Flows, "HTTP API".
    """
    keys = {*request.headers.getall(HEADER, ()), *parameters(request, PARAMETER)} - {""}
    if not keys:
        raise Unauthenticated(f"No api key: send it as {HEADER}, or as {PARAMETER} in the query")
    if len(keys) > 1:
        raise Unauthenticated("Two different api keys were sent")
    return await credentials.by_token(keys.pop())
