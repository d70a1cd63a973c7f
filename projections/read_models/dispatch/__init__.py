"""What waits for a worker, what workers have claimed, and what must be over by a deadline."""

from pathlib import Path

from projections.projection import CopyTarget, Projection, run_keys
from projections.read_models.dispatch import apply, read

__all__ = ["PREVIOUS", "PROJECTION", "read"]

PROJECTION = Projection(
    name="dispatch",
    schema_version=1,
    types=apply.TYPES,
    folder=Path(__file__).parent,
    reads=read,
    keys=run_keys,
    fold=apply.fold,
    deserialize=apply.deserialize,
    columns=apply.columns,
    document=apply.document,
    copy_targets=(
        CopyTarget(
            "dispatch",
            (
                "tenant",
                "run_id",
                "queued_position",
                "waiting",
                "worker",
                "deadline_us",
                "document",
            ),
        ),
    ),
)

PREVIOUS: tuple[Projection, ...] = ()
