"""Incorta's public API v2: execute and restart a load plan, read its executions' status."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from aiohttp import web

from projections.documents.run import RunDocument
from service.access import Principal
from service.auth.credentials import Credentials
from service.dialect import Description, Dialect, Route
from service.dialects.incorta import auth, errors, ids
from service.dialects.incorta.routes import ROUTES
from service.dialects.incorta.schemas import IncortaError
from service.errors import ServiceError
from service.flows.identity import FlowIdentity


class Incorta:
    """Answers under ``/incorta``."""

    name = "incorta"
    description = Description(
        title="Incorta",
        text="Execute or restart a load plan, read the status of its executions, as Incorta does.",
        security={"incortaBearer": {"type": "http", "scheme": "bearer"}},
        error=IncortaError,
    )

    def routes(self) -> Sequence[Route]:
        """List what is served."""
        return ROUTES

    def claims(self, path: str) -> bool:
        """Claim Incorta's root."""
        return path.startswith("/incorta/")

    def authenticate(self, request: web.Request, credentials: Credentials) -> Awaitable[Principal]:
        """Take the bearer token: Incorta's personal access token."""
        return auth.authenticate(request, credentials)

    def error(self, request: web.Request, error: ServiceError) -> web.Response:
        """Word a refusal as a message."""
        return errors.message(request, error)

    def flow_ids(self, flow: FlowIdentity, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Derive the flow's ``loadPlanName``."""
        return ids.flow_ids(flow, fixed)

    def run_ids(self, run: RunDocument) -> Mapping[str, Any]:
        """Name the run's ``loadPlanName`` and ``executionId``."""
        return ids.run_ids(run)


DIALECT: Dialect = Incorta()
