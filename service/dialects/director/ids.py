"""Director names a workflow by a UUID: the run's own id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from projections.documents.run import RunDocument
from service.errors import UnknownRun
from service.flows.identity import FlowIdentity


def run_id(typed: str) -> str:
    """Parse a workflow id as leniently as Director: capitals, braces, no hyphens, ``urn:uuid:``.

    Raises:
        UnknownRun: it is not a UUID (Director crashes with a 500).

    """
    try:
        return str(UUID(typed))
    except ValueError:
        raise UnknownRun(typed) from None


def flow_ids(_flow: FlowIdentity, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Derive the ids of a flow: none, Director names a flow by its ``project`` and ``name``.

    Raises:
        ValueError: a customer's file fixes one.

    """
    if fixed:
        msg = f"Director has no ids of a flow, so {sorted(fixed)} cannot be fixed"
        raise ValueError(msg)
    return {}


def run_ids(run: RunDocument) -> dict[str, Any]:
    """Return the workflow's id."""
    return {"id": run["run_id"]}
