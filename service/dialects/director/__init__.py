"""Celery Director 0.9 and 0.10: a run as a workflow with its tasks."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from aiohttp import web

from service.dialect import Description, Dialect
from service.dialects.director.auth import authenticate
from service.dialects.director.errors import redirect, response
from service.dialects.director.ids import flow_ids, run_ids
from service.dialects.director.routes import ROUTES, canonical_path, claims
from service.dialects.director.schemas import DirectorError
from service.errors import MethodNotAllowed, ServiceError


def error(request: web.Request, error: ServiceError) -> web.Response:
    """Translate an error; a path with doubled slashes is redirected to the one without."""
    found = canonical_path(request.path) if error.status == HTTPStatus.NOT_FOUND else None
    if found is None:
        return response(request, error)
    path, methods = found
    if request.method not in methods:
        return response(request, MethodNotAllowed(request.method, methods))
    return redirect(request, path)


DIALECT: Final = Dialect(
    name="director",
    description=Description(
        title="Celery Director",
        text="Workflows and their tasks as Celery Director answers them.",
        security={"directorBasic": {"type": "http", "scheme": "basic"}},
        error=DirectorError,
    ),
    routes=ROUTES,
    claims=claims,
    authenticate=authenticate,
    error=error,
    flow_ids=flow_ids,
    run_ids=run_ids,
)
