"""InVision's words for the states of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from projections.documents.lifecycle import RunStatus

WORDS: Final[Mapping[RunStatus, str]] = {
    "queued": "Pending",
    "running": "Running",
    "cancelling": "Running",
    "succeeded": "Succeeded",
    "warned": "Succeeded",
    "failed": "Failed",
    "cancelled": "Failed",
}
"""Four words and no others: warnings count as success, an abort as failure.

Source: docs.profitbase.com, InVision, Data Flows, "HTTP API".
"""
