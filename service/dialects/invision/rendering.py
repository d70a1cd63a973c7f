"""Turns a run into what InVision answers."""

from __future__ import annotations

from typing import Any

from projections.documents.run import RunDocument
from service.dialects.invision.statuses import WORDS


def status(run: RunDocument) -> dict[str, Any]:
    """Show a run: its id and its word.

    Source: docs.profitbase.com, InVision, Data Flows, "HTTP API".
    """
    return {"runId": run["run_id"], "status": WORDS[run["status"]]}
