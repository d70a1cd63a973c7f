"""Airflow's ids: ``dagId`` of a flow, ``dagRunId`` of a run, which is the run's own id."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from service.flows.identity import FlowIdentity

_DAG_ID: Final = re.compile(r"[\w.-]{1,250}", re.ASCII)


def flow_ids(flow: FlowIdentity, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Derive ``dagId``: the customer's own, else the flow's full name.

    Raises:
        ValueError: there is a name besides ``dagId``, or it is malformed.

    """
    if unknown := fixed.keys() - {"dagId"}:
        raise ValueError(f"airflow has no id {min(unknown)!r} of a flow, only 'dagId'")
    dag_id = fixed.get("dagId", flow.fullname)
    if not isinstance(dag_id, str) or not _DAG_ID.fullmatch(dag_id):
        raise ValueError(f"dagId must be 1 to 250 letters, digits, dashes, dots: not {dag_id!r}")
    return {"dagId": dag_id}


def run_ids(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a run's ids and its flow's."""
    return {**run["flow_ids"]["airflow"], "dagRunId": run["run_id"]}
