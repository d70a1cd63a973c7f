"""Etlworks' ids: ``flowId``, ``listener`` of a flow, ``auditId`` and ``messageId`` of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from projections.documents.run import RunDocument
from service.flows.identity import FlowIdentity

FIRST_FLOW_ID: Final = 1_000_000_000
"""Generated ids lie above those of a customer's own, so that they do not clash."""

LAST_ID: Final = 2**53 - 1
"""The largest integer that JavaScript clients read without loss."""

LONG: Final = {"low": -(2**63), "high": 2**63 - 1}
"""The bounds of a Java long, the type of Etlworks' numbers."""

MAX_PATTERN: Final = 200
_PATTERN: Final = re.compile(
    r"(?!\.{1,2}(?:/|$))[\w.~-]+(?:/(?!\.{1,2}(?:/|$))[\w.~-]+)*", re.ASCII
)


def flow_ids(flow: FlowIdentity, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Derive ``flowId``: the customer's own, else one made from the flow's number.

    ``listener``, the pattern by which messages reach the flow, is there only if it was given.

    >>> flow_ids(FlowIdentity("default", "example.ETL", 7), {"listener": "/orders/new"})
    {'flowId': 1000000007, 'listener': 'orders/new'}

    Raises:
        ValueError: there is another name, ``flowId`` is no whole number of 1 to 2^53 - 1, or
            ``listener`` no path of plain words.

    """
    if unknown := fixed.keys() - {"flowId", "listener"}:
        name = min(unknown)
        raise ValueError(f"etlworks has no id {name!r} of a flow, only 'flowId' and 'listener'")
    flow_id = fixed.get("flowId", FIRST_FLOW_ID + flow.number)
    if type(flow_id) is not int or not 1 <= flow_id <= LAST_ID:
        raise ValueError(f"flowId must be a whole number of 1 to {LAST_ID}, not {flow_id!r}")
    if "listener" not in fixed:
        return {"flowId": flow_id}
    return {"flowId": flow_id, "listener": _pattern(fixed["listener"])}


def _pattern(given: Any) -> str:  # noqa: ANN401 - any YAML value
    pattern = trimmed(given) if isinstance(given, str) else ""
    if len(pattern) > MAX_PATTERN or not _PATTERN.fullmatch(pattern):
        raise ValueError(
            f"listener must be a path like orders/new, of letters, digits and -._~, at most"
            f" {MAX_PATTERN} characters and without variables, not {given!r}"
        )
    return pattern


def trimmed(pattern: str) -> str:
    """Remove a leading and a trailing slash of a listener's pattern; they make no difference."""
    return pattern.removeprefix("/").removesuffix("/")


def message_id(run: RunDocument) -> str | None:
    """Return the message that started a run, or the first run of its chain of retries."""
    root_run: str = run["root_run"]
    return root_run if run["trigger"] == "message" else None


def run_ids(run: RunDocument) -> Mapping[str, Any]:
    """Return a run's ids and its flow's; ``auditId`` is its number, ``messageId`` its id."""
    return {
        **run["flow_ids"]["etlworks"],
        "auditId": run["run_number"],
        "messageId": run["run_id"],
    }
