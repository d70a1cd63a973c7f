"""Who may ask: the api key, in the header or in the query."""

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
    """Take ``x-api-key`` or ``api_key``; both only if they are equal.

    Raises:
        Unauthenticated: there is none, there are different ones, or it is not valid.

    Source: docs.profitbase.com, InVision, Data Flows, "HTTP API".
    """
    keys = {*request.headers.getall(HEADER, ()), *parameters(request, PARAMETER)} - {""}
    if not keys:
        raise Unauthenticated(f"No api key: send it as {HEADER}, or as {PARAMETER} in the query")
    if len(keys) > 1:
        raise Unauthenticated("Two different api keys were sent")
    return await credentials.by_token(keys.pop())
