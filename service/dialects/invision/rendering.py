"""Renders runs as InVision does."""

from __future__ import annotations

from typing import Any

from projections.documents.run import RunDocument
from service.dialects.invision.statuses import WORDS


def status(run: RunDocument) -> dict[str, Any]:
    """Render a run: its id and its status word.

    Source: docs.profitbase.com, InVision, Data Flows, "HTTP API".
    """
    return {"runId": run["run_id"], "status": WORDS[run["status"]]}
