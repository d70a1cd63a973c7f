"""InVision's error body."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from service.errors import ServiceError
from service.http.messages import json_response
from service.runtime import SERVICE

DOCUMENTED: Final = 500
"""The only error status that InVision documents.

Source: docs.profitbase.com, InVision, Data Flows, "HTTP API".
"""


def response(request: web.Request, error: ServiceError) -> web.Response:
    """Translate an error, with the usual status unless a setting demands the documented one.

    A 500 for every error makes proxies send a start again, so it is not the default.
    """
    strict = request.app[SERVICE].settings.invision_strict_500
    return json_response({"message": error.detail}, status=DOCUMENTED if strict else error.status)
