"""Measures requests over HTTP, around the front door: by dialect, route and status."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import accumulate
from time import perf_counter
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from service.http.dialect import Handler
from service.http.middleware import Served

BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

BOUNDS: Final = (*map(floatToGoString, BUCKETS_S), "+Inf")
"""The buckets as they are labelled."""

GONE: Final = 499
"""The status of a request whose caller hung up before it was answered, as nginx writes it."""

UNMATCHED: Final = ("none", "none", "none")
"""The labels of all requests that no route takes: what is asked for never becomes a label."""


class _Series:
    """A histogram of one set of labels.

    Counted here, where only the event loop counts: the client's own locks twice for each value,
    and takes five times as long, for every request.
    """

    __slots__ = ("counts", "labels", "seconds")

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels
        self.counts = [0] * len(BOUNDS)
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.seconds += seconds


class Requests(Collector):
    """Requests under way and answered. Label values are those of the routes, so they are bounded.

    A status of 499 is a caller that hung up.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._under_way = 0
        self._series: dict[tuple[web.AbstractRoute | None, int], _Series] = {}
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Show how long each route took to answer, and how many requests are being answered."""
        seconds = HistogramMetricFamily(
            "flowledger_http_request_seconds",
            "Time to answer a request, its wait for read models included.",
            labels=("dialect", "method", "route", "status"),
        )
        for series in self._series.values():
            buckets = zip(BOUNDS, accumulate(series.counts), strict=True)
            seconds.add_metric(series.labels, list(buckets), series.seconds)
        yield seconds
        yield GaugeMetricFamily(
            "flowledger_http_requests_in_flight",
            "Requests that are being answered.",
            self._under_way,
        )

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
            series = self._series[key] = _Series((*labels, str(status)))
        series.observe(seconds)


def _labels(route: web.AbstractRoute, known: Served) -> tuple[str, str, str]:
    pattern = "" if route.resource is None else route.resource.canonical
    return known.dialect.name, route.method, pattern
