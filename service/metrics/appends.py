"""Measures appends to the log from outside."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from events.batch import AppendOutcome
from events.database import Pool
from events.envelope import AppendRequest, AppendResult
from events.errors import LogError, VersionConflict
from events.store import Log

BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class MeasuredLog(Log):
    """A log whose appends are measured, once per batch."""

    def __init__(self, pool: Pool, registry: CollectorRegistry) -> None:
        super().__init__(pool)
        self._seconds = Histogram(
            "flowledger_append_seconds",
            "Time of an append: one batch, one statement.",
            buckets=BUCKETS_S,
            registry=registry,
        )
        self._sizes = Histogram(
            "flowledger_append_batch_requests",
            "Requests that went to the log together.",
            buckets=SIZES,
            registry=registry,
        )
        self._events = Counter(
            "flowledger_appended_events", "Events that this process wrote.", registry=registry
        )
        answers = Counter(
            "flowledger_append_requests",
            "Requests by what the log answered.",
            ("answer",),
            registry=registry,
        )
        self._answers = {
            name: answers.labels(name) for name in ("appended", "duplicate", "conflict", "refused")
        }
        self._failures = Counter(
            "flowledger_append_failures",
            "Batches that got no answer: the database was away or busy.",
            registry=registry,
        )

    async def append(self, requests: Sequence[AppendRequest]) -> list[AppendOutcome]:
        """Append like `Log.append`, and measure it."""
        began = perf_counter()
        try:
            answers = await super().append(requests)
        except LogError:
            self._failures.inc()
            raise
        self._seconds.observe(perf_counter() - began)
        self._sizes.observe(len(requests))
        self._count(answers)
        return answers

    def _count(self, answers: Sequence[AppendOutcome]) -> None:
        counts = dict.fromkeys(self._answers, 0)
        events = 0
        for answer in answers:
            counts[_kind(answer)] += 1
            if isinstance(answer, AppendResult):
                events += len(answer.events)
        self._events.inc(events)
        for name, count in counts.items():
            if count:
                self._answers[name].inc(count)


def _kind(answer: AppendOutcome) -> str:
    if isinstance(answer, AppendResult):
        return "duplicate" if answer.duplicate else "appended"
    return "conflict" if isinstance(answer, VersionConflict) else "refused"
