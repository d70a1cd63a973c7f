"""NAVER Cloud Platform Data Flow: runs as a paginated list of a workflow's executions."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from projections.documents.run import RunDocument
from service.access import Principal
from service.dialect import Description, Route
from service.dialects.naver import auth, errors, ids, routes, schemas
from service.flows.identity import FlowIdentity

if TYPE_CHECKING:
    from service.auth.credentials import Credentials
    from service.errors import ServiceError


class Naver:
    """NAVER's API as a translation; ``now_s`` is the clock that signatures are held against."""

    name = "naver"
    description = Description(
        title="NAVER Data Flow",
        text="Executions of workflows as NAVER Cloud Platform Data Flow answers them. A request is"
        " signed (signature v2): `x-ncp-apigw-timestamp` and `x-ncp-iam-access-key` stand beside"
        " the signature.",
        security={
            "naverSignature": {"type": "apiKey", "in": "header", "name": auth.SIGNATURE},
        },
        error=schemas.NaverError,
    )

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s

    def routes(self) -> Sequence[Route]:
        """List what is served."""
        return routes.ROUTES

    def claims(self, path: str) -> bool:
        """Tell whether an unknown path is NAVER's."""
        return routes.claims(path)

    def authenticate(self, request: web.Request, credentials: Credentials) -> Awaitable[Principal]:
        """Name who asks by the signature of the request."""
        return auth.principal(request, credentials, self._now_s)

    def error(self, request: web.Request, error: ServiceError) -> web.Response:
        """Word a refusal."""
        return errors.response(request, error)

    def flow_ids(self, flow: FlowIdentity, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Derive the workflow's, its job's and its trigger's id."""
        return ids.flow_ids(flow, fixed)

    def run_ids(self, run: RunDocument) -> Mapping[str, Any]:
        """Name the workflow and the execution."""
        return ids.run_ids(run)


DIALECT = Naver()
