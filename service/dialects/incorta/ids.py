"""Incorta's ids: ``loadPlanName`` of a flow, ``executionId`` of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from projections.documents.run import RunDocument
from service.flows.identity import FlowIdentity

MAX_LENGTH: Final = 255

EXECUTION_IDS: Final = range(1, 2**31)
"""The range of ``executionId``."""


def flow_ids(flow: FlowIdentity, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Derive ``loadPlanName``: the customer's own, else the flow's full name.

    >>> flow_ids(FlowIdentity("default", "example.PLAN", 7), {})
    {'loadPlanName': 'example.PLAN'}

    Raises:
        ValueError: there is a name besides ``loadPlanName``, or it is no printable text.

    """
    if unknown := fixed.keys() - {"loadPlanName"}:
        raise ValueError(f"incorta has no id {min(unknown)!r} of a flow, only 'loadPlanName'")
    name = fixed.get("loadPlanName", flow.fullname)
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= MAX_LENGTH:
        raise ValueError(
            f"loadPlanName must be a text of 1 to {MAX_LENGTH} printable characters, not {name!r}"
        )
    return {"loadPlanName": name}


def run_ids(run: RunDocument) -> Mapping[str, Any]:
    """Return a run's ids and its flow's; ``executionId`` is its number."""
    return {**run["flow_ids"]["incorta"], "executionId": run["run_number"]}
