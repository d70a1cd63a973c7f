"""A row per run: all that a status endpoint shows."""

from pathlib import Path

from projections.projection import RUN_EVENTS, Copied, Projection, run_keys
from projections.read_models.executions import apply, read

__all__ = ["FORMER", "PROJECTION", "read"]

PROJECTION = Projection(
    name="executions",
    shape=1,
    types=RUN_EVENTS,
    folder=Path(__file__).parent,
    reads=read,
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

FORMER: tuple[Projection, ...] = ()
