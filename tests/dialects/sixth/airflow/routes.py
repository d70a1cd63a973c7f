"""Airflow's routes, and the unknown paths that it claims."""

from __future__ import annotations

from typing import Final

from service.dialect import Route
from tests.dialects.sixth.airflow import handlers

ROOT: Final = "/airflow/api/v1"
"""Airflow behind a ``base_url`` with a path: the bare ``/api/v1`` is another vendor's."""

_RUNS: Final = ROOT + "/dags/{dag_id}/dagRuns"

ROUTES: Final = (
    Route("GET", _RUNS, handlers.dag_runs),
    Route("GET", _RUNS + "/{dag_run_id}", handlers.dag_run),
    Route("GET", _RUNS + "/{dag_run_id}/taskInstances", handlers.task_instances),
)


def claims(path: str) -> bool:
    """Claim unknown paths below `ROOT`."""
    return (path + "/").startswith(ROOT + "/")
