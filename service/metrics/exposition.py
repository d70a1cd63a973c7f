"""Writes a process's metrics as a scraper reads them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from service.metrics.state import Rows, database_state


def new_registry() -> CollectorRegistry:
    """Make the registry of a process, with what the operating system tells of it."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry, rows: Rows | None, accept: str) -> tuple[bytes, str]:
    """Write all metrics in the format that a scraper accepts; gives its media type too.

    ``rows`` tell of the read models as `projections.registry.status` does; None: nothing is known.
    """
    encode, content_type = choose_encoder(accept)
    return encode(_Scrape(registry, rows)), content_type


class _Scrape(Collector):
    """All that one scrape shows: what this process counts, and what the database says now."""

    def __init__(self, registry: CollectorRegistry, rows: Rows | None) -> None:
        self._registry = registry
        self._rows = rows

    def collect(self) -> Iterator[Metric]:
        yield from self._registry.collect()
        yield from database_state(self._rows)
