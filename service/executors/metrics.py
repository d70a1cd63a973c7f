"""The metrics of a worker's slots."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from service.executors.dispatcher import Dispatcher


def register_slots(registry: CollectorRegistry, dispatcher: Dispatcher) -> None:
    """Add the gauges of a dispatcher's slots, read at each scrape."""
    Gauge(
        "flowledger_executor_slots",
        "Runs that this process executes at a time.",
        registry=registry,
    ).set_function(lambda: dispatcher.slots)
    Gauge(
        "flowledger_executor_running",
        "Runs in the hands of this process.",
        registry=registry,
    ).set_function(lambda: dispatcher.running)
