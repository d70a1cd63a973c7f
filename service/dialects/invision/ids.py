"""InVision's ids: ``dataflowId`` of a flow, ``runId`` of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from projections.documents.run import RunDocument
from service.flows.identity import FlowIdentity

MAX_LENGTH: Final = 200
_FLOWS: Final = UUID("3f2b0e0c-6a55-4d0e-9d5c-8f6a1c1f7e21")


def flow_ids(flow: FlowIdentity, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Derive ``dataflowId``: the customer's own name for it, else a UUID made from the flow.

    >>> flow_ids(FlowIdentity("default", "example.ETL", 7), {"dataflowId": "DataFlow1"})
    {'dataflowId': 'dataflow1'}

    Raises:
        ValueError: there is a name besides ``dataflowId``, or it is no text for a place in a path.

    """
    if unknown := fixed.keys() - {"dataflowId"}:
        raise ValueError(f"invision has no id {min(unknown)!r} of a flow, only 'dataflowId'")
    if "dataflowId" not in fixed:
        return {"dataflowId": str(uuid5(_FLOWS, f"{flow.tenant}/{flow.fullname}"))}
    given = fixed["dataflowId"]
    if not isinstance(given, str) or not _fits_a_path(given):
        raise ValueError(
            f"dataflowId must be a text of 1 to {MAX_LENGTH} printable characters"
            f" without a slash, not {given!r}"
        )
    return {"dataflowId": canonical(given)}


def _fits_a_path(text: str) -> bool:
    if text in {".", ".."} or "/" in text:
        return False
    return 0 < len(text) <= MAX_LENGTH and text.isprintable()


def canonical(dataflow_id: str) -> str:
    """Fold the case of a data flow's id: InVision's ids are case-insensitive."""
    return dataflow_id.casefold()


def run_ids(run: RunDocument) -> Mapping[str, Any]:
    """Return a run's ids and its flow's; ``runId`` is its id."""
    return {**run["flow_ids"]["invision"], "runId": run["run_id"]}
