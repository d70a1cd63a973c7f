"""Maps what a handler raises to a `ServiceError`, and that to the response of the API's dialect."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

import structlog
from aiohttp import web

from events.errors import AppendTimeout, InvalidEvent, LogBusy, LogUnavailable, MalformedJson
from projections.errors import ApplyEventError
from service.dialect import Dialect
from service.errors import (
    BadRequest,
    InternalError,
    MethodNotAllowed,
    Overloaded,
    ServiceError,
    TooLarge,
    Unavailable,
    UnsupportedEncoding,
    UnsupportedMediaType,
    database_unavailable,
)
from service.http.context import request_id

_log = structlog.get_logger(__name__)
_INVALID_ENCODING: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")


def error_response(request: web.Request, dialect: Dialect, error: Exception) -> web.StreamResponse:
    """Answer an error in the dialect's words; an unexpected one is logged with its traceback."""
    mapped = service_error(request, error)
    name = request_id(request)
    if mapped.status == ServiceError.status:
        where = {"method": request.method, "path": request.path, "dialect": dialect.name}
        _log.error("request crashed", exc_info=error, request_id=name, **where)
    else:
        _log.debug("refused", status=mapped.status, reason=str(mapped), request_id=name)
    return _with_headers(dialect.error(request, mapped), mapped)


def service_error(request: web.Request, error: Exception) -> ServiceError:  # noqa: PLR0911 - a table
    """Map what was raised; everything unexpected becomes an `InternalError`."""
    match error:
        case ServiceError():
            return error
        case LogBusy():
            return Overloaded(str(error))
        case LogUnavailable() | AppendTimeout():
            return database_unavailable(error)
        case ApplyEventError():
            return Unavailable(
                f"this release cannot apply the event at position {error.first}, which the answer"
                " needs; GET /v1/projections shows an administrator why"
            )
        case MalformedJson() | InvalidEvent():
            return BadRequest(str(error))
        case web.HTTPRequestEntityTooLarge():
            return TooLarge(f"the body is larger than {request.client_max_size} bytes")
        case web.HTTPUnsupportedMediaType():
            return UnsupportedMediaType(error.text or "")
        case _:
            return InternalError(request_id(request))


def check_target(target: str) -> None:
    """Check that path and query decode to UTF-8 text, so that no later code meets broken text.

    Raises:
        BadRequest: invalid percent-encoding, NUL, or not UTF-8 once decoded.
    """
    if _INVALID_ENCODING.search(target):
        raise BadRequest("the URL has a NUL or invalid percent-encoding")
    try:
        unquote_to_bytes(target).decode()
    except UnicodeDecodeError as error:
        raise BadRequest("the URL is not UTF-8 once decoded") from error


def _with_headers(response: web.Response, error: ServiceError) -> web.Response:
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, MethodNotAllowed):
        response.headers.setdefault("Allow", ", ".join(error.allowed))
    if isinstance(error, UnsupportedEncoding):
        response.headers["Accept-Encoding"] = error.accepted
    return response
