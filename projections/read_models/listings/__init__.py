"""Each run's place in its tenant's list and its flow's, the counts, and all that a row shows."""

from pathlib import Path

from events.types import RUN_QUEUED
from projections.projection import RUN_EVENTS, CopyTarget, Projection, SharedCounters
from projections.read_models.listings import apply, read

__all__ = ["PREVIOUS", "PROJECTION", "read"]

PROJECTION = Projection(
    name="listings",
    schema_version=1,
    types=RUN_EVENTS,
    folder=Path(__file__).parent,
    reads=read,
    keys=apply.keys,
    fold=apply.fold,
    deserialize=apply.deserialize,
    columns=apply.columns,
    document=apply.document,
    copy_targets=(
        CopyTarget(
            "listings",
            (
                "tenant",
                "run_id",
                "ordinal",
                "fullname",
                "flow_ordinal",
                "queued_position",
                "status",
                "started_by",
                "created_us",
                "unlisted_position",
                "document",
            ),
        ),
    ),
    counters=SharedCounters(frozenset({RUN_QUEUED}), apply.lists_of, apply.Issued),
)

PREVIOUS: tuple[Projection, ...] = ()
