"""NAVER Data Flow's five words for how an execution stands.

Source: api.ncloud-docs.com, analytics-dataflow-getworkflowexecutions; ``CANCELED`` has one L.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Word = Literal["READY", "RUNNING", "COMPLETED", "FAILED", "CANCELED"]

RUNS: Final[Mapping[str, Word]] = {
    "queued": "READY",
    "running": "RUNNING",
    "cancelling": "RUNNING",
    "succeeded": "COMPLETED",
    "warned": "COMPLETED",
    "failed": "FAILED",
    "cancelled": "CANCELED",
}
