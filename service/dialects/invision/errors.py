"""InVision's error body."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from service.errors import ServiceError
from service.http.messages import json_response
from service.runtime import SERVICE

DOCUMENTED: Final = 500
"""The one status of an error that InVision documents.

Source: docs.profitbase.com, InVision, Data Flows, "HTTP API".
"""


def response(request: web.Request, error: ServiceError) -> web.Response:
    """Word a refusal, under the usual status unless the installation asks for the documented one.

    A 500 for all of them invites proxies to send a start again, so nobody gets it unasked.
    """
    strict = request.app[SERVICE].settings.invision_strict_500
    return json_response({"message": error.detail}, status=DOCUMENTED if strict else error.status)
