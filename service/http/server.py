"""The web application: the routes of every API, each handler wrapped by the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from aiohttp import HttpVersion11, web

from service.auth.credentials import Credentials
from service.dialect import Dialect, Handler, Route
from service.errors import MethodNotAllowed, NotFound
from service.http import pipeline
from service.http.browsers import BrowserRules
from service.http.connections import MALFORMED
from service.http.openapi.pages import Pages
from service.http.pipeline import MARGIN_S, Deadlines, RoutePolicy
from service.metrics.requests import UNMATCHED, Labels, RequestMetrics, RouteTimer
from service.settings import Settings

Wrap = Callable[[Handler, RoutePolicy | None, Labels], Handler]
"""Wraps a handler for its route, measured under these labels."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def web_application(
    credentials: Credentials,
    *,
    vendors: Sequence[Dialect],
    own: Dialect,
    settings: Settings,
    metrics: RequestMetrics,
) -> web.Application:
    """Serve all dialects; ``own`` also answers for paths of nobody and for the service's pages."""

    def dialect_of(path: str) -> Dialect:
        return next((dialect for dialect in vendors if dialect.claims(path)), own)

    browsers = BrowserRules(hosts=settings.allowed_hosts, origins=settings.allowed_origins)
    deadlines = Deadlines(settings.database_timeout_s + MARGIN_S)

    def wrap(handler: Handler, policy: RoutePolicy | None, labels: Labels) -> Handler:
        timer = RouteTimer(metrics, labels)
        return pipeline.wrap(
            handler,
            policy,
            credentials=credentials,
            dialect_of=dialect_of,
            timer=timer,
            deadlines=deadlines,
            browsers=browsers,
        )

    application = web.Application(client_max_size=settings.max_body)
    router = application.router
    for dialect in vendors:
        _add(router, wrap, _enabled(dialect.routes, settings), dialect=dialect)
    for routes in (own.routes, Pages((own, *vendors)).routes):
        _add(router, wrap, _enabled(routes, settings), dialect=own, ledger_wide=True)
    router.register_resource(CatchAllResource(wrap, tuple(router.resources()), browsers))
    return application


def _enabled(routes: Iterable[Route], settings: Settings) -> Iterable[Route]:
    return (route for route in routes if route.enabled_if is None or route.enabled_if(settings))


def _add(
    router: web.UrlDispatcher,
    wrap: Wrap,
    routes: Iterable[Route],
    *,
    dialect: Dialect,
    ledger_wide: bool = False,
) -> None:
    for route in routes:
        resource = router.add_resource(route.path)
        policy = RoutePolicy(
            dialect,
            route.right,
            supports_as_of=route.supports_as_of,
            lenient_query=route.lenient_query,
            ledger_wide=ledger_wide or route.ledger_wide,
            ledger_only=route.ledger_only,
        )
        # HEAD wherever GET is (RFC 9110, 9.3.2).
        for method in (route.method, "HEAD") if route.method == "GET" else (route.method,):
            handler = wrap(route.handler, policy, (dialect.name, method, resource.canonical))
            resource.add_route(method, handler, expect_handler=_send_continue)


class CatchAllResource(web.PlainResource):
    """Takes every request that matches no route: 405 with the allowed methods, or 404.

    The router asks it last, since it is added last and stands at the root. aiohttp's own 404 would
    bypass the pipeline; it remains only for requests without any path: ``CONNECT``, and an absolute
    URL that ends with its host.
    """

    def __init__(
        self, wrap: Wrap, others: Sequence[web.AbstractResource], browsers: BrowserRules
    ) -> None:
        super().__init__("/")
        self._browsers = browsers
        self._others = others
        handler = wrap(self._refuse, None, UNMATCHED)
        self._route = self.add_route("*", handler, expect_handler=_send_continue)

    async def resolve(self, _request: web.Request) -> tuple[web.UrlMappingMatchInfo, set[str]]:
        """Match every request."""
        return web.UrlMappingMatchInfo({}, self._route), set()

    async def _refuse(self, request: web.Request) -> web.StreamResponse:
        if MALFORMED in request:
            raise request[MALFORMED]
        if self._browsers.is_preflight(request):
            return web.Response(status=204)
        allowed: set[str] = set()
        for resource in self._others:
            allowed |= (await resource.resolve(request))[1]
        if allowed:
            raise MethodNotAllowed(request.method, allowed)
        raise NotFound(f"there is nothing at {request.path}")


async def _send_continue(request: web.Request) -> None:
    # A server may ignore an unknown expectation (RFC 9110, 10.1.1). aiohttp's own handler would
    # answer it with an error body that belongs to no dialect.
    if request.version == HttpVersion11 and request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0
