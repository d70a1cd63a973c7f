"""The one middleware: authenticates, authorises, measures, and answers errors in the API's words.

It wraps each handler when its route is added. aiohttp's own middleware chain is looked up anew for
every request, which takes a twentieth of a status read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from events.types import EVERY_TENANT
from service.access import Principal, Right
from service.auth.credentials import Credentials
from service.dialect import Dialect, Handler
from service.errors import BadRequest, Forbidden, InternalError
from service.http.as_of import AS_OF, AS_OF_HEADER, open_as_of, requested_as_of
from service.http.context import CONTEXT, RequestContext
from service.http.error_mapping import check_target, error_response
from service.http.messages import parse_integer
from service.metrics.requests import CLIENT_CLOSED_REQUEST, RouteTimer
from service.runtime import SERVICE

MIN_POSITION: Final = "Flowledger-Min-Position"
"""The header by which a client asks for an answer that shows at least this position."""

_READS: Final = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class RoutePolicy:
    """What a route demands: whose credentials, which right (None: open), and see `Route`."""

    dialect: Dialect
    right: Right | None
    supports_as_of: bool = True
    lenient_query: bool = False
    ledger_wide: bool = False

    def authorize(self, principal: Principal) -> None:
        """Raise `Forbidden` unless the principal may use the route."""
        if self.right is not None:
            principal.require(self.right)
        if principal.tenant == EVERY_TENANT and not self.ledger_wide:
            raise Forbidden("a key of all tenants works under /v1 only; use a key of one tenant")


def wrap(
    handler: Handler,
    policy: RoutePolicy | None,
    *,
    credentials: Credentials,
    dialect_of: Callable[[str], Dialect],
    timer: RouteTimer,
) -> Handler:
    """Wrap a handler; ``policy`` None is for requests that match no route.

    ``dialect_of`` names the dialect of such a request's path. The wrapper is one function with few
    calls, since every request goes through it.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        started, status = timer.start(), CLIENT_CLOSED_REQUEST
        context = request[CONTEXT] = RequestContext()
        try:
            try:
                if "%" in request.raw_path:
                    _check_target(request, policy)
                if policy is not None and policy.right is not None:
                    principal = await policy.dialect.authenticate(request, credentials)
                    policy.authorize(principal)
                    context.principal = principal
                    if MIN_POSITION in request.headers or _may_have_as_of(request):
                        await _prepare_read(request, policy)
                response = await handler(request)
            except Exception as error:
                if request.writer.output_size > 0:  # the response has begun
                    status = InternalError.status
                    raise
                dialect = policy.dialect if policy is not None else dialect_of(request.path)
                response = error_response(request, dialect, error)
            _set_headers(response, context)
            if request.transport is not None:
                status = response.status
            return response
        finally:
            timer.finish(started, status)

    return answer


def _check_target(request: web.Request, policy: RoutePolicy | None) -> None:
    path, _, _query = request.raw_path.partition("?")
    lenient = policy is not None and policy.lenient_query
    check_target(path if lenient else request.raw_path)


def _may_have_as_of(request: web.Request) -> bool:
    """Tell cheaply whether a request may name an earlier moment; hardly any does."""
    target = request.raw_path
    return AS_OF_HEADER in request.headers or (
        # Percent-encoding may hide the parameter's name.
        "?" in target and (AS_OF in target or "%" in target) and AS_OF in request.query
    )


async def _prepare_read(request: web.Request, policy: RoutePolicy) -> None:
    """Wait for the requested minimum position; choose the queries of the requested moment."""
    if MIN_POSITION in request.headers and request.method in _READS:
        text = ",".join(request.headers.getall(MIN_POSITION))
        position = parse_integer(text, MIN_POSITION, low=0, high=2**63 - 1)
        await request.app[SERVICE].positions.require_position(position)
    if (as_of := requested_as_of(request)) is None:
        return
    if request.method not in _READS:
        raise BadRequest(f"{AS_OF} goes with GET and HEAD only; leave it out", field=AS_OF)
    if not policy.supports_as_of:
        raise BadRequest(f"this resource has no past; leave {AS_OF} out", field=AS_OF)
    request[CONTEXT].historical = await open_as_of(request.app[SERVICE], as_of)


def _set_headers(response: web.StreamResponse, context: RequestContext) -> None:
    if response.prepared:
        return
    historical = context.historical
    position = context.position if historical is None else historical.position
    if position is not None:
        response.headers["Flowledger-Position"] = str(position)
    if context.request_id is not None:
        response.headers["X-Request-Id"] = context.request_id
