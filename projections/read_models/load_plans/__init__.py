"""The tree of each run: plan, group, schema, table, with rolled-up states."""

from pathlib import Path

from projections.projection import RUN_EVENTS, CopyTarget, Projection, run_keys
from projections.read_models.load_plans import apply, read

__all__ = ["PREVIOUS", "PROJECTION", "read"]

PROJECTION = Projection(
    name="load_plans",
    schema_version=1,
    types=RUN_EVENTS,
    folder=Path(__file__).parent,
    reads=read,
    keys=run_keys,
    fold=apply.fold,
    deserialize=apply.deserialize,
    columns=apply.columns,
    document=apply.document,
    copy_targets=(CopyTarget("load_plans", ("tenant", "run_id", "run_number", "document")),),
)

PREVIOUS: tuple[Projection, ...] = ()
