"""Airflow's error body: a problem (RFC 7807) whose type leads into its reference."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from aiohttp import web

from service.errors import ServiceError, Unauthenticated, UnknownFlow, UnknownRun
from service.http.messages import json_response

PROBLEM_JSON: Final = "application/problem+json"
REFERENCE: Final = (
    "https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html#section/Errors/"
)
TYPES: Final = {
    400: "BadRequest",
    401: "Unauthenticated",
    403: "PermissionDenied",
    404: "NotFound",
    405: "MethodNotAllowed",
}


def response(_request: web.Request, error: ServiceError) -> web.Response:
    """Translate an error.

    Source: Airflow's stable REST API reference, "Errors".
    """
    body = {
        "type": REFERENCE + TYPES.get(error.status, "Unknown"),
        "title": _title(error),
        "status": error.status,
        "detail": error.detail,
    }
    response = json_response(body, status=error.status, content_type=PROBLEM_JSON)
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = "Basic"
    return response


def _title(error: ServiceError) -> str:
    match error:
        case UnknownFlow():
            return "DAG not found"
        case UnknownRun():
            return "DAGRun not found"
        case _:
            return HTTPStatus(error.status).phrase
