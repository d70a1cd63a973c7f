"""Celery Director 0.9 and 0.10: a run as a workflow with its tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from projections.documents.run import RunDocument
from service.access import Principal
from service.dialect import Description, Route
from service.dialects.director import auth, errors, ids, routes, schemas
from service.errors import MethodNotAllowed
from service.flows.identity import FlowIdentity

if TYPE_CHECKING:
    from service.auth.credentials import Credentials
    from service.errors import ServiceError


class Director:
    """Director's API as a translation."""

    name = "director"
    description = Description(
        title="Celery Director",
        text="Workflows and their tasks as Celery Director answers them.",
        security={"directorBasic": {"type": "http", "scheme": "basic"}},
        error=schemas.DirectorError,
    )

    def routes(self) -> Sequence[Route]:
        """List what is served."""
        return routes.ROUTES

    def claims(self, path: str) -> bool:
        """Tell whether an unknown path is Director's."""
        return routes.claims(path)

    def authenticate(self, request: web.Request, credentials: Credentials) -> Awaitable[Principal]:
        """Name who asks by HTTP Basic."""
        return auth.principal(request, credentials)

    def error(self, request: web.Request, error: ServiceError) -> web.Response:
        """Word a refusal; an address with doubled slashes leads to the one without."""
        found = routes.elsewhere(request.path) if error.status == HTTPStatus.NOT_FOUND else None
        if found is None:
            return errors.response(request, error)
        path, methods = found
        if request.method not in methods:
            return errors.response(request, MethodNotAllowed(request.method, methods))
        return errors.moved(request, path)

    def flow_ids(self, _flow: FlowIdentity, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Derive the ids of a flow: Director has none."""
        return ids.flow_ids(fixed)

    def run_ids(self, run: RunDocument) -> Mapping[str, Any]:
        """Name the workflow's id."""
        return ids.run_ids(run)


DIALECT = Director()
