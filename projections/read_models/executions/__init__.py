"""A row per run: all that a status endpoint shows."""

from pathlib import Path

from projections.projection import RUN_EVENTS, Copied, Projection, run_keys
from projections.read_models.executions import apply, read

__all__ = ["PROJECTION", "read"]

PROJECTION = Projection(
    name="executions",
    version=1,
    types=RUN_EVENTS,
    folder=Path(__file__).parent,
    keys=run_keys,
    fold=apply.fold,
    revive=apply.revive,
    columns=apply.columns,
    document=apply.document,
    copied=(
        Copied(
            "executions",
            ("tenant", "run_id", "run_number", "flow_number", "queued_position", "document"),
        ),
    ),
)
