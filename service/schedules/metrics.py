"""The metrics of schedules and retention."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter

from service.schedules.scheduler import FiringOutcome


def firing_counter(registry: CollectorRegistry) -> Callable[[FiringOutcome], None]:
    """Make a counter of due times by outcome; each outcome starts at zero."""
    counter = Counter(
        "flowledger_schedule_firings",
        "Due times of schedules in this process, by outcome.",
        ("outcome",),
        registry=registry,
    )
    outcomes = {outcome: counter.labels(outcome) for outcome in get_args(FiringOutcome)}
    return lambda outcome: outcomes[outcome].inc()


def unlisted_counter(registry: CollectorRegistry) -> Callable[[int], None]:
    """Make a counter of the runs that this process unlists."""
    return Counter(
        "flowledger_unlisted_runs",
        "Runs that this process removed from the lists of their flows.",
        registry=registry,
    ).inc
