"""InVision's error body."""

from __future__ import annotations

from aiohttp import web

from service.errors import ServiceError
from service.http.json import json_response


def message(request: web.Request, error: ServiceError) -> web.Response:
    """Word a refusal; only 500 is documented, so the status codes are the usual ones.

    A 500 for all of them would invite proxies to send a start again.
    """
    del request
    return json_response({"message": error.detail}, status=error.status)
