"""Counts what schedules came to, around the scheduler."""

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
