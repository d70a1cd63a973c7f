"""Etlworks Integrator: start a flow, read the status of its executions."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from aiohttp import web

from projections.documents.run import RunDocument
from service.access import Principal
from service.auth.credentials import Credentials
from service.dialect import Description, Dialect, Route
from service.dialects.etlworks import auth, errors, ids
from service.dialects.etlworks.routes import ROUTES
from service.dialects.etlworks.schemas import EtlworksError
from service.errors import ServiceError
from service.flows.identity import FlowIdentity


class Etlworks:
    """Answers under ``/rest/v1`` and the legacy ``/plugins/dashboard``."""

    name = "etlworks"
    description = Description(
        title="Etlworks",
        text="Start a flow and read the status of its executions, as Etlworks Integrator answers.",
        security={"etlworksBearer": {"type": "http", "scheme": "bearer"}},
        error=EtlworksError,
    )

    def routes(self) -> Sequence[Route]:
        """List what is served."""
        return ROUTES

    def claims(self, path: str) -> bool:
        """Claim Etlworks' two roots."""
        return path.startswith(("/rest/", "/plugins/"))

    def authenticate(self, request: web.Request, credentials: Credentials) -> Awaitable[Principal]:
        """Take the bearer token: Etlworks' non-expiring API key."""
        return auth.authenticate(request, credentials)

    def error(self, request: web.Request, error: ServiceError) -> web.Response:
        """Word a refusal in Etlworks' envelope."""
        return errors.envelope(request, error)

    def flow_ids(self, flow: FlowIdentity, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Derive the flow's ``flowId``."""
        return ids.flow_ids(flow, fixed)

    def run_ids(self, run: RunDocument) -> Mapping[str, Any]:
        """Name the run's ``flowId``, ``auditId`` and ``messageId``."""
        return ids.run_ids(run)


DIALECT: Dialect = Etlworks()
