"""The web application: every route with its owner, behind the one middleware."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NoReturn

from aiohttp import HttpVersion11, web

from service.auth.credentials import Credentials
from service.dialect import Dialect, Handler, Route
from service.errors import MethodNotAllowed, NotFound
from service.http.openapi.pages import Pages
from service.http.pipeline import Served, front_door
from service.metrics.requests import UNMATCHED, Labels, RequestMetrics, RouteTimer
from service.settings import Settings

Door = Callable[[Handler, Served | None, Labels], Handler]
"""What puts the front door before a handler, measured under labels."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def web_application(
    credentials: Credentials,
    *,
    vendors: Sequence[Dialect],
    own: Dialect,
    settings: Settings,
    metrics: RequestMetrics,
) -> web.Application:
    """Put all dialects behind one door; ``own`` also answers for the service's own pages."""

    def owner(path: str) -> Dialect:
        return next((dialect for dialect in vendors if dialect.claims(path)), own)

    def door(handler: Handler, served: Served | None, labels: Labels) -> Handler:
        timer = RouteTimer(metrics, labels)
        return front_door(handler, served, credentials=credentials, owner=owner, timer=timer)

    application = web.Application(client_max_size=settings.max_body)
    router = application.router
    for dialect in vendors:
        _add(router, door, _served(dialect.routes(), settings), owner=dialect)
    for routes in (own.routes(), Pages((own, *vendors)).routes()):
        _add(router, door, _served(routes, settings), owner=own, ledger_wide=True)
    router.register_resource(_Elsewhere(door, tuple(router.resources())))
    return application


def _served(routes: Iterable[Route], settings: Settings) -> Iterable[Route]:
    return (route for route in routes if route.where is None or route.where(settings))


def _add(
    router: web.UrlDispatcher,
    door: Door,
    routes: Iterable[Route],
    *,
    owner: Dialect,
    ledger_wide: bool = False,
) -> None:
    for route in routes:
        resource = router.add_resource(route.path)
        served = Served(
            owner,
            route.right,
            past=route.past,
            any_query=route.any_query,
            ledger_wide=ledger_wide or route.ledger_wide,
        )
        # HEAD wherever GET is (RFC 9110, 9.3.2).
        for method in (route.method, "HEAD") if route.method == "GET" else (route.method,):
            handler = door(route.handler, served, (owner.name, method, resource.canonical))
            resource.add_route(method, handler, expect_handler=_expect)


class _Elsewhere(web.PlainResource):
    """Takes what no other resource takes: other paths, other methods, ``OPTIONS *``.

    It is asked last, since it was added last and stands at the root. aiohttp's own answer to such a
    request would pass no door; it gives that, a 404, only where a request has no path at all:
    ``CONNECT``, and an absolute address that ends with its host.
    """

    def __init__(self, door: Door, others: Sequence[web.AbstractResource]) -> None:
        super().__init__("/")
        self._others = others
        handler = door(self._refuse, None, UNMATCHED)
        self._route = self.add_route("*", handler, expect_handler=_expect)

    async def resolve(self, _request: web.Request) -> tuple[web.UrlMappingMatchInfo, set[str]]:
        return web.UrlMappingMatchInfo({}, self._route), set()

    async def _refuse(self, request: web.Request) -> NoReturn:
        allowed: set[str] = set()
        for resource in self._others:
            allowed |= (await resource.resolve(request))[1]
        if allowed:
            raise MethodNotAllowed(request.method, allowed)
        raise NotFound(f"there is nothing at {request.path}")


async def _expect(request: web.Request) -> None:
    # aiohttp's own answers an unknown expectation in words that are no dialect's; RFC 9110, 10.1.1,
    # lets a server ignore one.
    if request.version == HttpVersion11 and request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0
