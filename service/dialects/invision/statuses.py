"""InVision's status words of runs."""

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
"""InVision has only four words: warnings count as success, a cancel as failure.

Source: docs.profitbase.com, InVision, Data Flows, "HTTP API".
"""
