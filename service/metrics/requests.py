"""Measures requests over HTTP, around the front door: by dialect, route and status."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

BOUNDS: Final = (*map(floatToGoString, BUCKETS_S), "+Inf")
"""The buckets as they are labelled."""

GONE: Final = 499
"""The status of a request whose caller hung up before it was answered, as nginx writes it."""

Labels = tuple[str, str, str]
"""Dialect, method and pattern of a route."""

UNMATCHED: Final[Labels] = ("none", "none", "none")
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


class Timed:
    """The requests of one route: between `begin` and `end` they are under way."""

    __slots__ = ("_labels", "_requests", "series")

    def __init__(self, requests: Requests, labels: Labels) -> None:
        self._requests = requests
        self._labels = labels
        self.series: dict[int, _Series] = {}
        """What was answered, by status."""

    def begin(self) -> float:
        """Count a request as under way; gives the moment, for `end`."""
        self._requests.under_way += 1
        return perf_counter()

    def end(self, began: float, status: int) -> None:
        """Count a request as answered."""
        self._requests.under_way -= 1
        series = self.series.get(status)
        if series is None:
            series = self.series[status] = _Series((*self._labels, str(status)))
        series.observe(perf_counter() - began)


class Requests(Collector):
    """Requests under way and answered. Label values are those of the routes, so they are bounded.

    A status of 499 is a caller that hung up.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.under_way = 0
        self._timed: dict[Labels, Timed] = {}
        registry.register(self)

    def of(self, labels: Labels) -> Timed:
        """Give what measures the requests of a route."""
        return self._timed.setdefault(labels, Timed(self, labels))

    def collect(self) -> Iterator[Metric]:
        """Show how long each route took to answer, and how many requests are being answered."""
        seconds = HistogramMetricFamily(
            "flowledger_http_request_seconds",
            "Time to answer a request, its wait for read models included.",
            labels=("dialect", "method", "route", "status"),
        )
        for series in (each for timed in self._timed.values() for each in timed.series.values()):
            buckets = zip(BOUNDS, accumulate(series.counts), strict=True)
            seconds.add_metric(series.labels, list(buckets), series.seconds)
        yield seconds
        yield GaugeMetricFamily(
            "flowledger_http_requests_in_flight",
            "Requests that are being answered.",
            self.under_way,
        )
