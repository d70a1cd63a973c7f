"""Counts what happens by itself: what schedules came to, and runs that left their lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter

from service.schedules.scheduler import Fired


def firing_counter(registry: CollectorRegistry) -> Callable[[Fired], None]:
    """Make what counts each firing by its outcome; all outcomes are there from the start."""
    counter = Counter(
        "flowledger_schedule_firings",
        "Due times of schedules, by what they came to in this process.",
        ("outcome",),
        registry=registry,
    )
    outcomes = {outcome: counter.labels(outcome) for outcome in get_args(Fired)}
    return lambda outcome: outcomes[outcome].inc()


def unlisted_counter(registry: CollectorRegistry) -> Callable[[int], None]:
    """Make what counts the runs that have left their lists."""
    return Counter(
        "flowledger_unlisted_runs",
        "Runs that this process let leave the lists of their flows.",
        registry=registry,
    ).inc
