"""Airflow's words for the states of a DAG run and of a task instance.

Source: Airflow's stable REST API reference, schemas ``DagState`` and ``TaskState``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

RUNS: Final[Mapping[str, str]] = {
    "queued": "queued",
    "running": "running",
    "cancelling": "running",
    "succeeded": "success",
    "warned": "success",
    "failed": "failed",
    "cancelled": "failed",
}
TASKS: Final[Mapping[str, str | None]] = {
    "pending": None,
    "running": "running",
    "succeeded": "success",
    "warned": "success",
    "failed": "failed",
    "cancelled": "failed",
    "skipped": "skipped",
}
