"""What waits for a worker, what workers have claimed, and what must be over by a deadline."""

from pathlib import Path

from projections.projection import Copied, Projection, run_keys
from projections.read_models.dispatch import apply, read

__all__ = ["FORMER", "PROJECTION", "read"]

PROJECTION = Projection(
    name="dispatch",
    shape=1,
    types=apply.TYPES,
    folder=Path(__file__).parent,
    reads=read,
    keys=run_keys,
    fold=apply.fold,
    revive=apply.revive,
    columns=apply.columns,
    document=apply.document,
    copied=(
        Copied(
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

FORMER: tuple[Projection, ...] = ()
