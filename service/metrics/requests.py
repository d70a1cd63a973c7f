"""Measures HTTP requests around the pipeline: by dialect, route and status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

CLIENT_CLOSED_REQUEST: Final = 499
"""The status of a request whose client disconnected before the answer, as in nginx."""

Labels = tuple[str, str, str]
"""Dialect, method and pattern of a route."""

UNMATCHED: Final[Labels] = ("none", "none", "none")
"""The labels of requests that match no route: a requested path never becomes a label."""


class RequestMetrics(Collector):
    """Requests in flight and answered; the labels come from the routes, so they are bounded.

    The status 499 stands for a client that disconnected.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.in_flight = 0
        self.seconds = Histogram(
            "flowledger_http_request_seconds",
            "Time to answer a request, its wait for read models included.",
            ("dialect", "method", "route", "status"),
            buckets=BUCKETS_S,
            registry=None,
        )
        # The gauge reads a plain number. Only the event loop counts, and prometheus_client would
        # take a lock twice for every request.
        Gauge(
            "flowledger_http_requests_in_flight",
            "Requests that are being answered.",
            registry=registry,
        ).set_function(lambda: self.in_flight)
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the histogram without the creation time of each series."""
        for metric in self.seconds.collect():
            metric.samples = [each for each in metric.samples if not each.name.endswith("_created")]
            yield metric


class ConnectionCounts(Collector):
    """Counts the connections of each address, and those that were refused or cut.

    ``most_per_address`` is how many an address may have; 0: any number.
    """

    def __init__(self, most_per_address: int = 0) -> None:
        self._most = most_per_address
        self._by_address: Counter[str] = Counter()
        self.refused = 0
        """Connections refused because their address had too many."""
        self.cut = 0
        """Connections ended because a head was too long, too slow, or too far ahead."""

    def admit(self, address: str) -> bool:
        """Count a new connection; False, and not counted, if its address has too many."""
        if self._most and self._by_address[address] >= self._most:
            self.refused += 1
            return False
        self._by_address[address] += 1
        return True

    def release(self, address: str) -> None:
        """Count a connection as ended."""
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def collect(self) -> Iterator[Metric]:
        """Yield how many are open, and how many were ended by us."""
        text = "Connections of clients."
        yield GaugeMetricFamily("flowledger_http_connections", text, value=self._by_address.total())
        ended = CounterMetricFamily(
            "flowledger_http_connections_ended", "Connections that were ended.", labels=("reason",)
        )
        ended.add_metric(("too many of one address",), self.refused)
        ended.add_metric(("head without an end",), self.cut)
        yield ended


class RouteTimer:
    """Measures the requests of one route, which are in flight from `start` to `finish`."""

    __slots__ = ("_by_status", "_labels", "_metrics")

    def __init__(self, metrics: RequestMetrics, labels: Labels) -> None:
        self._metrics = metrics
        self._labels = labels
        self._by_status: dict[int, Histogram] = {}

    def start(self) -> float:
        """Count a request as in flight; returns its start time for `finish`."""
        self._metrics.in_flight += 1
        return perf_counter()

    def finish(self, started: float, status: int) -> None:
        """Count a request as answered."""
        self._metrics.in_flight -= 1
        histogram = self._by_status.get(status)
        if histogram is None:
            # Looking up a series by its labels takes longer than observing a value.
            histogram = self._metrics.seconds.labels(*self._labels, status)
            self._by_status[status] = histogram
        histogram.observe(perf_counter() - started)
