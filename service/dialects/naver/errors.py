"""NAVER's two layers of errors: its gateway's, and those of the Data Flow service behind it.

What the gateway refuses has only ``error``; what the service refuses has ``errorType`` and
``detail`` beside it, by which clients tell the two apart.

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
    """What is asked for does not go with how things stand."""

    code = "bad-state"
    status = 400


NOUNS: Final[Mapping[str, str]] = {
    "executionId": "Job execution",
    "jobId": "Job",
    "triggerId": "Trigger",
    "workflowId": "Workflow",
}
"""What each id of a path names."""


def response(request: web.Request, error: ServiceError) -> web.Response:
    """Word a refusal as NAVER does."""
    return json_response(body(error, request.match_info), status=status(error))


def status(error: ServiceError) -> int:
    """Choose the status: where the service refuses a state, it says 400 ``bad-state``."""
    return 400 if isinstance(error, (FlowBusy, RunEnded)) else error.status


def body(error: ServiceError, path: Mapping[str, str]) -> dict[str, Any]:
    """Write the body of a refusal; ``path`` has the ids that were asked for."""
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
        names = names[1:]  # the job that it is asked of is what is missing
    return f"{NOUNS[names[0]]} {path[names[0]]} does not exist." if names else error.detail


def _service(code: str, kind: str, detail: str) -> dict[str, Any]:
    said = {"errorCode": code, "message": kind, "details": detail}
    return {"error": said, "errorType": kind, "detail": detail}


def _gateway(status: int, details: str) -> dict[str, Any]:
    code, message = GATEWAY.get(status, GATEWAY[500])
    return {"error": {"errorCode": code, "message": message, "details": details}}
