"""A row per run: all that a status endpoint shows."""

from pathlib import Path

from projections.projection import RUN_EVENTS, CopyTarget, Projection, run_keys
from projections.read_models.executions import apply, read

__all__ = ["PREVIOUS", "PROJECTION", "read"]

PROJECTION = Projection(
    name="executions",
    schema_version=1,
    types=RUN_EVENTS,
    folder=Path(__file__).parent,
    reads=read,
    keys=run_keys,
    fold=apply.fold,
    deserialize=apply.deserialize,
    columns=apply.columns,
    document=apply.document,
    copy_targets=(
        CopyTarget(
            "executions",
            ("tenant", "run_id", "run_number", "flow_number", "queued_position", "document"),
        ),
    ),
)

PREVIOUS: tuple[Projection, ...] = ()
