"""Director's error bodies: ``{"error": text}``, more for a schema's errors and for a 401.

Source: the answers of celery-director 0.9.0; the fixed texts are Werkzeug's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from service.dialects.director import interface
from service.dialects.director.rendering import answer
from service.errors import (
    BadRequest,
    InvalidPayload,
    ServiceError,
    Unauthenticated,
    UnknownFlow,
    UnknownRun,
)

NOT_FOUND: Final = (
    "The requested URL was not found on the server."
    " If you entered the URL manually please check your spelling and try again."
)
FIXED: Final[Mapping[int, str]] = {
    404: NOT_FOUND,
    405: "The method is not allowed for the requested URL.",
    413: "The data value transmitted exceeds the capacity limit.",
    415: "Did not attempt to load JSON data because the request Content-Type was not"
    " 'application/json'.",
    500: "The server encountered an internal error and was unable to complete your request."
    " Either the server is overloaded or there is an error in the application.",
}
CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="Authentication Required"'}
UNAUTHORIZED: Final = {
    "error": "unauthorized",
    "message": "Please authenticate to access this API.",
    "status": 401,
}


class MalformedJsonBody(BadRequest):
    """The browser (or proxy) sent a request that this server could not understand."""

    code = "unreadable"


class InvalidBody(BadRequest):
    """The body does not have the shape of a start."""

    code = "invalid-body"

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = tuple(errors)


def response(request: web.Request, error: ServiceError) -> web.Response:
    """Translate an error into Director's body, or into its error page outside of the API."""
    headers = CHALLENGE if isinstance(error, Unauthenticated) else None
    typed_id = request.match_info.get("id", "")
    content = body(error, typed_id)
    if not request.path.startswith(("/api", "//api")):
        return interface.error_page(request, error.status, content["error"])
    return answer(content, error.status, headers)


def redirect(request: web.Request, path: str) -> web.Response:
    """Redirect to another path with the same query, as Director does."""
    query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
    target = f"{request.scheme}://{request.host}{path}{query}"
    escaped = escape(target)
    return web.Response(
        text="<!doctype html>\n<html lang=en>\n<title>Redirecting...</title>\n"
        "<h1>Redirecting...</h1>\n<p>You should be redirected automatically to the target URL: "
        f'<a href="{escaped}">{escaped}</a>. If not, click the link.\n',
        status=HTTPStatus.PERMANENT_REDIRECT,
        headers={"Location": target},
        content_type="text/html",
        charset="utf-8",
    )


def body(error: ServiceError, typed_id: str = "") -> dict[str, Any]:
    """Build an error body; ``typed_id`` is the workflow id as the client wrote it."""
    match error:
        case Unauthenticated():
            return UNAUTHORIZED
        case InvalidBody():
            return {"error": "Error validating against schema", "errors": list(error.errors)}
        case InvalidPayload():
            return {"error": "Payload is not valid", "errors": list(error.errors)}
        case UnknownFlow():
            return {"error": f"Workflow {error.flow} not found"}
        case UnknownRun():
            return {"error": f"Workflow {typed_id} not found"}
        case _:
            return {"error": FIXED.get(error.status, error.detail)}
