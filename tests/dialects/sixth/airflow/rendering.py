"""Renders runs and tasks as Airflow does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.dialects.sixth.airflow.statuses import RUNS, TASKS

RUN_TYPES: Final = {"schedule": "scheduled"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def dag_run(run: Mapping[str, Any]) -> dict[str, Any]:
    """Render a run.

    Source: Airflow's stable REST API reference, schema ``DAGRun``.
    """
    queued = _format_time(run["created_us"])
    return {
        "conf": run["payload"],
        "dag_id": run["flow_ids"]["airflow"]["dagId"],
        "dag_run_id": run["run_id"],
        "data_interval_end": None,
        "data_interval_start": None,
        "end_date": _format_time(run["ended_us"]),
        "execution_date": queued,
        "external_trigger": run["trigger"] != "schedule",
        "last_scheduling_decision": None,
        "logical_date": queued,
        "note": run["comment"],
        "run_type": RUN_TYPES.get(run["trigger"], "manual"),
        "start_date": _format_time(run["started_us"]),
        "state": RUNS[run["status"]],
    }


def task_instance(task: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """Render a task of a run, with the Airflow fields that a ledger knows.

    Source: Airflow's stable REST API reference, schema ``TaskInstance``.
    """
    started, ended = task["started_us"], task["ended_us"]
    duration_s = None if started is None or ended is None else (ended - started) / 1_000_000
    return {
        "dag_id": run["flow_ids"]["airflow"]["dagId"],
        "dag_run_id": run["run_id"],
        "duration": duration_s,
        "end_date": _format_time(ended),
        "execution_date": _format_time(run["created_us"]),
        "map_index": -1,
        "start_date": _format_time(started),
        "state": TASKS[task["status"]],
        "task_id": task["path"],
        "try_number": task["attempt"],
    }


def _format_time(epoch_us: int | None) -> str | None:
    if epoch_us is None:
        return None
    return (_EPOCH + timedelta(microseconds=epoch_us)).isoformat(timespec="microseconds")
