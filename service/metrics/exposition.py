"""Writes a process's metrics in the format of a scraper."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from service.metrics.state import Rows, database_state


def new_registry() -> CollectorRegistry:
    """Make the registry of a process, with the operating system's metrics of it."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry, rows: Rows | None, accept: str) -> tuple[bytes, str]:
    """Write all metrics in the format that a scraper accepts; also returns its media type.

    ``rows`` are the statuses of the read models; None if the database did not answer.
    """
    encode, content_type = choose_encoder(accept)
    return encode(_Scrape(registry, rows)), content_type


class _Scrape(Collector):
    """Everything in one scrape: the process's own metrics, and the state of the database."""

    def __init__(self, registry: CollectorRegistry, rows: Rows | None) -> None:
        self._registry = registry
        self._rows = rows

    def collect(self) -> Iterator[Metric]:
        yield from self._registry.collect()
        yield from database_state(self._rows)
