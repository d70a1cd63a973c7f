"""Profitbase InVision: start a data flow, read the status of its runs."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from aiohttp import web

from projections.documents.run import RunDocument
from service.access import Principal
from service.auth.credentials import Credentials
from service.dialect import Description, Dialect, Route
from service.dialects.invision import auth, errors, ids
from service.dialects.invision.routes import ROUTES, claims
from service.dialects.invision.schemas import InvisionError
from service.errors import ServiceError
from service.flows.identity import FlowIdentity


class Invision:
    """Answers under ``api/pub/v1/dataflows``, whatever the installation's prefix."""

    name = "invision"
    description = Description(
        title="InVision",
        text="Start a data flow and read the status of its runs, as Profitbase InVision answers.",
        security={
            "invisionHeader": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            "invisionQuery": {"type": "apiKey", "in": "query", "name": "api_key"},
        },
        error=InvisionError,
    )

    def routes(self) -> Sequence[Route]:
        """List what is served."""
        return ROUTES

    def claims(self, path: str) -> bool:
        """Claim what lies under ``api/pub``, with any prefix and in any case."""
        return claims(path)

    def authenticate(self, request: web.Request, credentials: Credentials) -> Awaitable[Principal]:
        """Take the key of the header or the query."""
        return auth.authenticate(request, credentials)

    def error(self, request: web.Request, error: ServiceError) -> web.Response:
        """Word a refusal as a message."""
        return errors.message(request, error)

    def flow_ids(self, flow: FlowIdentity, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Derive the flow's ``dataflowId``."""
        return ids.flow_ids(flow, fixed)

    def run_ids(self, run: RunDocument) -> Mapping[str, Any]:
        """Name the run's ``dataflowId`` and ``runId``."""
        return ids.run_ids(run)


DIALECT: Dialect = Invision()
