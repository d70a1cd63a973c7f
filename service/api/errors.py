"""Our own error body: problem details (RFC 9457) with a permanent type per error."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aiohttp import web

from service.errors import BadRequest, InvalidPayload, ServiceError, Unauthenticated
from service.http.messages import json_response

PROBLEM_JSON = "application/problem+json"


def problem_type(error: ServiceError) -> str:
    """Return the type of a problem, made from the error's code.

    >>> from service.errors import UnknownFlow
    >>> problem_type(UnknownFlow("a.B"))
    'urn:flowledger:problem:unknown-flow'
    """
    return f"urn:flowledger:problem:{error.code}"


def problem(request: web.Request, error: ServiceError) -> web.Response:
    """Render an error with what helps to correct the request."""
    body: dict[str, Any] = {
        "type": problem_type(error),
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
        "instance": request.rel_url.raw_path,
    }
    if isinstance(error, BadRequest) and error.field:
        body["field"] = error.field
    if isinstance(error, InvalidPayload):
        body["errors"] = list(error.errors)
    response = json_response(body, status=error.status, content_type=PROBLEM_JSON)
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
