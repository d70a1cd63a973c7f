"""NAVER's two layers of errors: its gateway's, and those of the Data Flow service behind it.

An error of the gateway has only ``error``; one of the service also has ``errorType`` and
``detail``, by which clients tell the two apart.

Source: api.ncloud-docs.com, analytics-dataflow and ai-application-service-apigateway; NAVER's own
Cloud Functions sample, which reads ``errorType`` and ``detail``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from service.dialects.naver.auth import REFUSED
from service.errors import (
    BadRequest,
    FlowBusy,
    IdempotencyKeyReused,
    ServiceError,
    Unauthenticated,
    UnknownFlow,
    UnknownRun,
)
from service.http.messages import json_response
from service.runs.domain.errors import RunEnded

GATEWAY: Final[Mapping[int, tuple[str, str]]] = {
    400: ("100", "Bad Request Exception"),
    401: ("200", "Authentication Failed"),
    403: ("230", "Forbidden"),
    404: ("300", "Not Found Exception"),
    405: ("100", "Bad Request Exception"),
    413: ("430", "Request Entity Too Large"),
    429: ("410", "Throttle Limited"),
    500: ("900", "Unexpected Error"),
    503: ("500", "Endpoint Error"),
}


class BadState(ServiceError):
    """The state of the run or job does not allow this."""

    code = "bad-state"
    status = 400


NOUNS: Final[Mapping[str, str]] = {
    "executionId": "Job execution",
    "jobId": "Job",
    "triggerId": "Trigger",
    "workflowId": "Workflow",
}
"""The noun for each id of a path."""


def response(request: web.Request, error: ServiceError) -> web.Response:
    """Translate an error into NAVER's body."""
    return json_response(body(error, request.match_info), status=status(error))


def status(error: ServiceError) -> int:
    """Return the status; the service reports a wrong state as 400."""
    return 400 if isinstance(error, (FlowBusy, RunEnded)) else error.status


def body(error: ServiceError, path: Mapping[str, str]) -> dict[str, Any]:
    """Build an error body; ``path`` has the requested ids."""
    match error:
        case UnknownFlow() | UnknownRun():
            return _service("300", "not-found", _missing(error, path))
        case FlowBusy() | RunEnded() | BadState():
            return _service("100", "bad-state", error.detail)
        case BadRequest() | IdempotencyKeyReused():
            return _service("100", "bad-parameter", error.detail)
        case Unauthenticated():
            return _gateway(401, REFUSED)
        case _:
            return _gateway(error.status, error.detail)


def _missing(error: UnknownFlow | UnknownRun, path: Mapping[str, str]) -> str:
    names = [name for name in NOUNS if name in path]
    if isinstance(error, UnknownFlow) and names[:1] == ["executionId"]:
        names = names[1:]  # it is the job that does not exist
    return f"{NOUNS[names[0]]} {path[names[0]]} does not exist." if names else error.detail


def _service(code: str, kind: str, detail: str) -> dict[str, Any]:
    fault = {"errorCode": code, "message": kind, "details": detail}
    return {"error": fault, "errorType": kind, "detail": detail}


def _gateway(status: int, details: str) -> dict[str, Any]:
    code, message = GATEWAY.get(status, GATEWAY[500])
    return {"error": {"errorCode": code, "message": message, "details": details}}
