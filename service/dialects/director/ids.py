"""Director names a workflow by a UUID: the run's own id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from projections.documents.run import RunDocument
from service.errors import UnknownRun
from service.flows.identity import FlowIdentity


def run_id(typed: str) -> str:
    """Read a workflow id as leniently as Director: capitals, braces, no hyphens, ``urn:uuid:``.

    Raises:
        UnknownRun: it is no UUID, so no run has it (Director crashes with a 500 there).

    """
    try:
        return str(UUID(typed))
    except ValueError:
        raise UnknownRun(typed) from None


def flow_ids(_flow: FlowIdentity, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Derive the ids of a flow: none, Director names a flow by its ``project`` and ``name``.

    Raises:
        ValueError: a customer's file fixes one all the same.

    """
    if fixed:
        msg = f"Director has no ids of a flow, so {sorted(fixed)} cannot be fixed"
        raise ValueError(msg)
    return {}


def run_ids(run: RunDocument) -> dict[str, Any]:
    """Name the workflow's id."""
    return {"id": run["run_id"]}
