"""Flows, and each run in full with its tasks and what they waited for."""

from pathlib import Path

from events.types import CATALOGUE_TYPES
from projections.projection import RUN_EVENTS, Copied, Projection
from projections.read_models.workflows import apply, read

__all__ = ["FORMER", "PROJECTION", "read"]

PROJECTION = Projection(
    name="workflows",
    shape=1,
    types=RUN_EVENTS | CATALOGUE_TYPES,
    folder=Path(__file__).parent,
    reads=read,
    keys=apply.keys,
    fold=apply.fold,
    revive=apply.revive,
    columns=apply.columns,
    document=apply.document,
    copied=(
        Copied("workflows", ("tenant", "run_id", "document")),
        Copied("flows", ("tenant", "fullname", "document")),
    ),
)

FORMER: tuple[Projection, ...] = ()
