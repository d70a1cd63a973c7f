"""Flows, and each run in full with its tasks and what they waited for."""

from pathlib import Path

from events.types import CATALOGUE_TYPES
from projections.projection import RUN_EVENTS, CopyTarget, Projection
from projections.read_models.workflows import apply, read

__all__ = ["PREVIOUS", "PROJECTION", "read"]

PROJECTION = Projection(
    name="workflows",
    schema_version=1,
    types=RUN_EVENTS | CATALOGUE_TYPES,
    folder=Path(__file__).parent,
    reads=read,
    keys=apply.keys,
    fold=apply.fold,
    deserialize=apply.deserialize,
    columns=apply.columns,
    document=apply.document,
    copy_targets=(
        CopyTarget("workflows", ("tenant", "run_id", "document")),
        CopyTarget("flows", ("tenant", "fullname", "document")),
    ),
)

PREVIOUS: tuple[Projection, ...] = ()
