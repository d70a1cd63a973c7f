"""The one middleware: who asks, may they, and every refusal in the words of the address's owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from events.types import EVERY_TENANT
from service.auth.credentials import Credentials
from service.auth.principal import Principal, Right
from service.errors import BadRequest, Forbidden
from service.http.dialect import Dialect, Handler
from service.http.keys import PAST, POSITION, PRINCIPAL, REQUEST_ID, SERVICE
from service.http.parameters import integer
from service.http.reading import AS_OF, asked, look_back, names_moment
from service.http.refusals import check_target, refuse

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
            raise Forbidden("a key of the whole ledger is for /v1 only")


def front_door(
    credentials: Credentials,
    vendors: Sequence[Dialect],
    own: Dialect,
    served: Mapping[web.AbstractRoute, Served],
) -> Middleware:
    """Make the middleware; ``own`` answers for every address that no vendor claims.

    It is one function with few calls, since every request goes through it.
    """

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        known = served.get(request.match_info.route)
        # There from the beginning: a look for a key that is missing takes as long as five that find
        # theirs, and every answer takes several.
        request[POSITION] = request[PAST] = request[REQUEST_ID] = None
        try:
            if "%" in request.raw_path:
                _check_target(request, known)
            if known is not None and known.right is not None:
                principal = await known.dialect.authenticate(request, credentials)
                known.admit(principal)
                request[PRINCIPAL] = principal
                if MIN_POSITION in request.headers or names_moment(request):
                    await _set_reader(request, known)
            response = await handler(request)
        except Exception as error:
            if _too_late(request, error):
                raise
            owner = known.dialect if known is not None else _owner(request.path)
            response = refuse(request, owner, error)
        _stamp(request, response)
        return response

    def _owner(path: str) -> Dialect:
        return next((dialect for dialect in vendors if dialect.claims(path)), own)

    return answer


def _check_target(request: web.Request, served: Served | None) -> None:
    path, _, _query = request.raw_path.partition("?")
    check_target(path if served is not None and served.any_query else request.raw_path)


async def _reach(request: web.Request) -> None:
    asked = ",".join(request.headers.getall(MIN_POSITION))
    position = integer(asked, MIN_POSITION, low=0, high=2**63 - 1)
    await request.app[SERVICE].queries.reach(position)


async def _set_reader(request: web.Request, served: Served) -> None:
    if MIN_POSITION in request.headers and request.method in _READS:
        await _reach(request)
    if (moment := asked(request)) is None:
        return
    if request.method not in _READS:
        raise BadRequest("only reads look back: leave the moment out", field=AS_OF)
    if not served.past:
        raise BadRequest("this is of now and in no log: leave the moment out", field=AS_OF)
    past = request[PAST] = await look_back(request.app[SERVICE], moment)
    request[POSITION] = past.position


def _too_late(request: web.Request, error: Exception) -> bool:
    """Tell whether the answer has begun, or is one that is sent by raising it."""
    redirects = isinstance(error, web.HTTPException) and error.status < 400  # noqa: PLR2004 - RFC 9110
    return redirects or request.writer.output_size > 0


def _stamp(request: web.Request, response: web.StreamResponse) -> None:
    if response.prepared:
        return
    past, position, name = request[PAST], request[POSITION], request[REQUEST_ID]
    if past is not None:
        position = past.position
    if position is not None:
        response.headers["Flowledger-Position"] = str(position)
    if name is not None:
        response.headers["X-Request-Id"] = name
