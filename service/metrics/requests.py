"""Measures requests over HTTP, around the front door: by dialect, route and status."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry, Gauge, Histogram

from service.http.dialect import Handler
from service.http.middleware import Served

BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

GONE: Final = 499
"""The status of a request whose caller hung up before it was answered, as nginx writes it."""

UNMATCHED: Final = ("none", "none", "none")
"""The labels of all requests that no route takes: what is asked for never becomes a label."""


class Requests:
    """Requests under way and answered. Label values are those of the routes, so they are bounded.

    A status of 499 is a caller that hung up.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._under_way = 0
        self._seconds = Histogram(
            "flowledger_http_request_seconds",
            "Time to answer a request, its wait for read models included.",
            ("dialect", "method", "route", "status"),
            buckets=BUCKETS_S,
            registry=registry,
        )
        self._series: dict[tuple[web.AbstractRoute | None, int], Histogram] = {}
        Gauge(
            "flowledger_http_requests_in_flight",
            "Requests that are being answered.",
            registry=registry,
        ).set_function(lambda: self._under_way)

    def around(self, served: Mapping[web.AbstractRoute, Served]) -> Middleware:
        """Make the middleware that measures; it stands outside of all others."""

        @web.middleware
        async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
            began = perf_counter()
            status = web.HTTPInternalServerError.status_code
            self._under_way += 1
            try:
                response = await handler(request)
                status = response.status
            except web.HTTPException as error:
                status = error.status
                raise
            except asyncio.CancelledError:
                status = GONE
                raise
            else:
                return response
            finally:
                self._under_way -= 1
                self._observe(request.match_info.route, status, perf_counter() - began, served)

        return measure

    def _observe(
        self,
        route: web.AbstractRoute,
        status: int,
        seconds: float,
        served: Mapping[web.AbstractRoute, Served],
    ) -> None:
        # aiohttp makes a new route for each request that none takes: those share one series.
        known = served.get(route)
        key = (None if known is None else route, status)
        series = self._series.get(key)
        if series is None:
            labels = UNMATCHED if known is None else _labels(route, known)
            series = self._series[key] = self._seconds.labels(*labels, str(status))
        series.observe(seconds)


def _labels(route: web.AbstractRoute, known: Served) -> tuple[str, str, str]:
    pattern = "" if route.resource is None else route.resource.canonical
    return known.dialect.name, route.method, pattern
