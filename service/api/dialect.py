"""Our own API in the shape of a dialect, so that one pipeline serves all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from service.access import Principal
from service.api.errors import PROBLEM_JSON, problem
from service.api.routes import ROUTES
from service.api.schemas.runs import LedgerProblem
from service.auth.credentials import Credentials
from service.dialect import Description, Dialect
from service.http.messages import bearer_token


def claims(path: str) -> bool:
    """Claim /v1; what no vendor claims is answered here too."""
    return path.startswith("/v1/")


async def authenticate(request: web.Request, credentials: Credentials) -> Principal:
    """Authenticate by ``Authorization: Bearer`` (RFC 6750)."""
    return await credentials.by_token(bearer_token(request))


def no_ids(*_: object) -> Mapping[str, Any]:
    """Return no further ids: here a flow has its full name, and a run its run id."""
    return {}


DIALECT: Final = Dialect(
    name="api",
    description=Description(
        title="Flowledger",
        text="Start, read, list, cancel and retry runs; report on external ones; read the log.",
        security={"ledgerBearer": {"type": "http", "scheme": "bearer"}},
        error=LedgerProblem,
        error_type=PROBLEM_JSON,
    ),
    routes=ROUTES,
    claims=claims,
    authenticate=authenticate,
    error=problem,
    flow_ids=no_ids,
    run_ids=no_ids,
)
