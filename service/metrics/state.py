"""The state of a process and of the read models at the moment of a scrape."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from events.database import Pool
from events.follow import Feed
from events.timeline import Timeline
from service.hold import Hold
from service.ops.readiness import Readiness
from service.ops.supervisor import Supervisor

Rows = Sequence[Mapping[str, Any]]

_OF_READ_MODELS: Final = (
    ("position", "Last position that a read model has applied.", "position"),
    ("lag_events", "Events that a read model has not applied.", "lag_events"),
    ("lag_seconds", "Age of the first event that a read model has not applied.", "lag_s"),
    ("serving", "Whether this version of a read model answers.", "serving"),
)


@dataclass(frozen=True, slots=True, eq=False)
class ProcessState(Collector):
    """The state of a process's parts, read at each scrape."""

    pools: Callable[[], Mapping[str, Pool]]
    feed: Feed
    supervisor: Supervisor
    timeline: Timeline
    readiness: Readiness
    hold: Hold

    def collect(self) -> Iterator[Metric]:
        """Yield build, background tasks, pools, and the head that this process knows."""
        yield InfoMetricFamily(
            "flowledger_build",
            "What runs here.",
            {"version": version("flowledger"), "python": platform.python_version()},
        )
        yield _gauge(
            "flowledger_feed_head", "Last position this process has decoded.", self.feed.head
        )
        yield _gauge(
            "flowledger_database_replaced",
            "Whether the database was replaced by an older copy: this process is about to end.",
            self.timeline.replaced.is_set(),
        )
        reasons = {reason.code for reason in self.readiness.reasons()}
        yield _gauge("flowledger_ready", "Whether this process can do its work.", not reasons)
        unready = GaugeMetricFamily(
            "flowledger_not_ready", "Why this process is not ready.", labels=("reason",)
        )
        for reason in sorted(reasons):
            unready.add_metric((reason,), 1)
        yield unready
        yield _gauge(
            "flowledger_clock_behind_seconds",
            "By how much the database's clock is behind the last event.",
            self.readiness.clock_behind_s,
        )
        yield _gauge(
            "flowledger_on_hold",
            "Whether the ledger is on hold: it starts and executes nothing.",
            self.hold.held is not None,
        )
        yield from self._tasks()
        yield from self._pools()

    def _tasks(self) -> Iterator[Metric]:
        crashes = CounterMetricFamily(
            "flowledger_task_crashes", "Times a background task was restarted.", labels=("task",)
        )
        running = GaugeMetricFamily(
            "flowledger_task_running", "Whether a background task is running.", labels=("task",)
        )
        for task in self.supervisor.tasks:
            crashes.add_metric((task.name,), task.crashes)
            running.add_metric((task.name,), task.state == "running")
        yield from (crashes, running)

    def _pools(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "flowledger_pool_connections", "Connections to Postgres.", labels=("pool", "state")
        )
        for name, pool in self.pools().items():
            size, idle = pool.get_size(), pool.get_idle_size()
            for state, count in (
                ("idle", idle),
                ("busy", size - idle),
                ("most", pool.get_max_size()),
            ):
                family.add_metric((name, state), count)
        yield family


def database_state(rows: Rows | None) -> Iterable[Metric]:
    """Yield the state of the log and the read models; None: the database did not answer."""
    yield _gauge("flowledger_database_up", "Whether the database answers.", rows is not None)
    if not rows:
        return
    yield _gauge("flowledger_log_head", "Last position of the log.", rows[0]["head"])
    for suffix, text, column in _OF_READ_MODELS:
        yield _of_each(suffix, text, {_name(row): row[column] for row in rows})
    paused = {_name(row): row["state"] == "paused" for row in rows}
    yield _of_each("paused", "Whether a read model stands before an event it cannot apply.", paused)


def _of_each(suffix: str, text: str, values: Mapping[tuple[str, str], float]) -> Metric:
    family = GaugeMetricFamily(
        f"flowledger_projection_{suffix}", text, labels=("projection", "version")
    )
    for name, value in values.items():
        family.add_metric(name, value)
    return family


def _name(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["name"], str(row["version"])


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))
