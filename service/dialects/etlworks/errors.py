"""Etlworks' error envelope."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from service.errors import ServiceError
from service.http.messages import json_response


def response(request: web.Request, error: ServiceError) -> web.Response:
    """Translate an error: status, phrase, message, and the path as sent without the query.

    Source: etlworks.com/dev/api/api-reference.html: the same body for every 4xx and 5xx.
    """
    body = {
        "status": error.status,
        "error": HTTPStatus(error.status).phrase,
        "message": error.detail,
        "path": request.rel_url.raw_path,
    }
    return json_response(body, status=error.status)
