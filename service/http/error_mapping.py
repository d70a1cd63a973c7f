"""From what was raised to what is refused: one place where every error becomes a `ServiceError`."""

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
    UnsupportedMediaType,
)
from service.http.origin import request_id

_log = structlog.get_logger(__name__)
_BROKEN_ENCODING: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")


def refuse(request: web.Request, dialect: Dialect, error: Exception) -> web.StreamResponse:
    """Answer an error in the words of the dialect that owns the address; a crash is logged."""
    refusal = refusal_of(request, error)
    name = request_id(request)
    if refusal.status == ServiceError.status:
        facts = {"method": request.method, "path": request.path, "dialect": dialect.name}
        _log.error("request crashed", exc_info=error, request_id=name, **facts)
    else:
        _log.debug("refused", status=refusal.status, reason=refusal.detail, request_id=name)
    return _with_headers(dialect.error(request, refusal), refusal)


def refusal_of(request: web.Request, error: Exception) -> ServiceError:  # noqa: PLR0911 - a table
    """Translate what was raised; what nobody foresaw is `InternalError`."""
    match error:
        case ServiceError():
            return error
        case LogBusy():
            return Overloaded(str(error))
        case LogUnavailable() | AppendTimeout():
            return Unavailable("the ledger's database does not answer; try again")
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
    """Check path and query as they were sent, so that nobody meets broken text later.

    Raises:
        BadRequest: for broken percent-encoding, NUL, and what is no UTF-8 once decoded.
    """
    if _BROKEN_ENCODING.search(target):
        raise BadRequest("the URL has a NUL or invalid percent-encoding")
    try:
        unquote_to_bytes(target).decode()
    except UnicodeDecodeError as error:
        raise BadRequest("the URL is not UTF-8 once decoded") from error


def _with_headers(response: web.Response, refusal: ServiceError) -> web.Response:
    if isinstance(refusal, Unavailable):
        response.headers["Retry-After"] = str(refusal.retry_after_s)
    if isinstance(refusal, MethodNotAllowed):
        response.headers.setdefault("Allow", ", ".join(refusal.allowed))
    return response
