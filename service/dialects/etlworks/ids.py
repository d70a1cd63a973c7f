"""Etlworks' ids: ``flowId`` of a flow, ``auditId`` and ``messageId`` of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from service.http.dialect import FlowIdentity

FIRST_FLOW_ID: Final = 1_000_000_000
"""Ids of our own making lie above those a customer brings along, so that they do not clash."""

LAST_ID: Final = 2**53 - 1
"""Longs that JavaScript clients read without loss end here."""

LONG: Final = {"low": -(2**63), "high": 2**63 - 1}
"""The bounds of a Java long, as which Etlworks reads its numbers."""


def flow_ids(flow: FlowIdentity, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settle ``flowId``: the customer's own, else one made from the flow's number.

    >>> flow_ids(FlowIdentity("default", "example.ETL", 7), {})
    {'flowId': 1000000007}

    Raises:
        ValueError: there is a name besides ``flowId``, or it is no whole number of 1 to 2^53 - 1.

    """
    if unknown := fixed.keys() - {"flowId"}:
        raise ValueError(f"etlworks has no id {min(unknown)!r} of a flow, only 'flowId'")
    flow_id = fixed.get("flowId", FIRST_FLOW_ID + flow.number)
    if type(flow_id) is not int or not 1 <= flow_id <= LAST_ID:
        raise ValueError(f"flowId must be a whole number of 1 to {LAST_ID}, not {flow_id!r}")
    return {"flowId": flow_id}


def run_ids(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Name a run's ids, its flow's among them; ``auditId`` is its number, ``messageId`` its id."""
    return {
        **run["flow_ids"]["etlworks"],
        "auditId": run["run_number"],
        "messageId": run["run_id"],
    }
