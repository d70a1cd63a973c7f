"""Our own API in the shape of a dialect, so that one middleware serves all."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from aiohttp import web

from projections.documents.run import RunDocument
from service.access import Principal
from service.api.errors import PROBLEM_JSON, problem
from service.api.routes import ROUTES
from service.api.schemas import LedgerProblem
from service.auth.credentials import Credentials
from service.auth.extract import bearer
from service.dialect import Description, Route
from service.errors import ServiceError
from service.flows.identity import FlowIdentity


class OwnApi:
    """Answers under /v1, and for every path that is no vendor's."""

    name = "api"
    description = Description(
        title="Flowledger",
        text="Start, read, list, cancel and retry runs; report on external ones; read the log.",
        security={"ledgerBearer": {"type": "http", "scheme": "bearer"}},
        error=LedgerProblem,
        error_type=PROBLEM_JSON,
    )

    def routes(self) -> Sequence[Route]:
        """List what is served."""
        return ROUTES

    def claims(self, path: str) -> bool:
        """Claim what is left when no vendor claims a path."""
        return path.startswith("/v1/")

    def authenticate(self, request: web.Request, credentials: Credentials) -> Awaitable[Principal]:
        """Take the token of ``Authorization: Bearer`` (RFC 6750)."""
        return credentials.by_token(bearer(request))

    def error(self, request: web.Request, error: ServiceError) -> web.Response:
        """Word a refusal as a problem (RFC 9457)."""
        return problem(request, error)

    def flow_ids(self, flow: FlowIdentity, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give a flow no further id: here it is its full name."""
        del flow, fixed
        return {}

    def run_ids(self, run: RunDocument) -> Mapping[str, Any]:
        """Give a run no further id: here it is its run id."""
        del run
        return {}


DIALECT = OwnApi()
