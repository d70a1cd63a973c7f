"""The web application: every route with its owner, behind the one middleware."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from aiohttp import HttpVersion11, web

from service.auth.credentials import Credentials
from service.http.dialect import Dialect, Route
from service.http.middleware import Served, front_door
from service.http.pages import Pages
from service.metrics.requests import Requests
from service.settings import Settings

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def web_application(
    credentials: Credentials,
    *,
    vendors: Sequence[Dialect],
    own: Dialect,
    settings: Settings,
    requests: Requests,
) -> web.Application:
    """Put all dialects behind one door; ``own`` also answers for the service's own pages."""
    served: dict[web.AbstractRoute, Served] = {}
    application = web.Application(
        middlewares=[requests.around(served), front_door(credentials, vendors, own, served)],
        client_max_size=settings.max_body,
    )
    for dialect in vendors:
        _add(application, served, _served(dialect.routes(), settings), owner=dialect)
    for routes in (own.routes(), Pages((own, *vendors)).routes()):
        _add(application, served, _served(routes, settings), owner=own, ledger_wide=True)
    return application


def _served(routes: Iterable[Route], settings: Settings) -> Iterable[Route]:
    return (route for route in routes if route.where is None or route.where(settings))


def _add(
    application: web.Application,
    served: dict[web.AbstractRoute, Served],
    routes: Iterable[Route],
    *,
    owner: Dialect,
    ledger_wide: bool = False,
) -> None:
    for route in routes:
        resource = application.router.add_resource(route.path)
        # HEAD wherever GET is (RFC 9110, 9.3.2).
        for method in (route.method, "HEAD") if route.method == "GET" else (route.method,):
            added = resource.add_route(method, route.handler, expect_handler=_expect)
            served[added] = Served(
                owner,
                route.right,
                past=route.past,
                any_query=route.any_query,
                ledger_wide=ledger_wide or route.ledger_wide,
            )


async def _expect(request: web.Request) -> None:
    # aiohttp's own answers an unknown expectation in words that are no dialect's; RFC 9110, 10.1.1,
    # lets a server ignore one.
    if request.version == HttpVersion11 and request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0
