"""Each run's place in its tenant's list and its flow's, the counts, and all that a row shows."""

from pathlib import Path

from projections.projection import RUN_EVENTS, Projection
from projections.read_models.listings import apply, read

__all__ = ["PROJECTION", "read"]

PROJECTION = Projection(
    name="listings",
    version=1,
    types=RUN_EVENTS,
    folder=Path(__file__).parent,
    keys=apply.keys,
    fold=apply.fold,
    revive=apply.revive,
    columns=apply.columns,
    document=apply.document,
)
