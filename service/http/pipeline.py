"""The one middleware: who asks, may they, and every refusal in the words of the address's owner.

It is put around each handler as its route is added. aiohttp's own chain of middlewares looks for
what is around a handler with every request, which takes a twentieth of a status read.
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
from service.http.as_of import AS_OF, asked, look_back, names_moment
from service.http.context import CALL, Call
from service.http.error_mapping import check_target, refuse
from service.http.parameters import integer
from service.metrics.requests import GONE, RouteTimer
from service.runtime import SERVICE

MIN_POSITION: Final = "Flowledger-Min-Position"
"""The header by which a reader asks for what stands at a position to be shown."""

_READS: Final = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Served:
    """The owner of a route, and the right it asks for; None: it is open to all."""

    dialect: Dialect
    right: Right | None
    past: bool = True
    any_query: bool = False
    ledger_wide: bool = False
    """Whether keys of the whole ledger may use it."""

    def admit(self, principal: Principal) -> None:
        """Raise `Forbidden` unless the principal may use the route."""
        if self.right is not None:
            principal.require(self.right)
        if principal.tenant == EVERY_TENANT and not self.ledger_wide:
            raise Forbidden("a key of all tenants works under /v1 only; use a key of one tenant")


def front_door(
    handler: Handler,
    served: Served | None,
    *,
    credentials: Credentials,
    owner: Callable[[str], Dialect],
    timer: RouteTimer,
) -> Handler:
    """Put the front door before a handler; ``served`` None: before what no route takes.

    That belongs to the ``owner`` of the path. It is one function with few calls, since every
    request goes through it.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        started, status = timer.start(), GONE
        call = request[CALL] = Call()
        try:
            try:
                if "%" in request.raw_path:
                    _check_target(request, served)
                if served is not None and served.right is not None:
                    principal = await served.dialect.authenticate(request, credentials)
                    served.admit(principal)
                    call.principal = principal
                    if MIN_POSITION in request.headers or names_moment(request):
                        await _set_reader(request, served)
                response = await handler(request)
            except Exception as error:
                if request.writer.output_size > 0:  # the answer has begun
                    status = InternalError.status
                    raise
                dialect = served.dialect if served is not None else owner(request.path)
                response = refuse(request, dialect, error)
            _stamp(response, call)
            if request.transport is not None:
                status = response.status
            return response
        finally:
            timer.finish(started, status)

    return answer


def _check_target(request: web.Request, served: Served | None) -> None:
    path, _, _query = request.raw_path.partition("?")
    check_target(path if served is not None and served.any_query else request.raw_path)


async def _reach(request: web.Request) -> None:
    asked = ",".join(request.headers.getall(MIN_POSITION))
    position = integer(asked, MIN_POSITION, low=0, high=2**63 - 1)
    await request.app[SERVICE].positions.require_position(position)


async def _set_reader(request: web.Request, served: Served) -> None:
    if MIN_POSITION in request.headers and request.method in _READS:
        await _reach(request)
    if (moment := asked(request)) is None:
        return
    if request.method not in _READS:
        raise BadRequest(f"{AS_OF} goes with GET and HEAD only; leave it out", field=AS_OF)
    if not served.past:
        raise BadRequest(f"this resource has no past; leave {AS_OF} out", field=AS_OF)
    request[CALL].past = await look_back(request.app[SERVICE], moment)


def _stamp(response: web.StreamResponse, call: Call) -> None:
    if response.prepared:
        return
    position = call.position if call.past is None else call.past.position
    if position is not None:
        response.headers["Flowledger-Position"] = str(position)
    if call.request_id is not None:
        response.headers["X-Request-Id"] = call.request_id
