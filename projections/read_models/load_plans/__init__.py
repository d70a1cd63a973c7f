"""The tree of each run: plan, group, schema, table, with rolled-up states."""

from pathlib import Path

from projections.projection import RUN_EVENTS, Copied, Projection, run_keys
from projections.read_models.load_plans import apply, read

__all__ = ["FORMER", "PROJECTION", "read"]

PROJECTION = Projection(
    name="load_plans",
    shape=1,
    types=RUN_EVENTS,
    folder=Path(__file__).parent,
    reads=read,
    keys=run_keys,
    fold=apply.fold,
    revive=apply.revive,
    columns=apply.columns,
    document=apply.document,
    copied=(Copied("load_plans", ("tenant", "run_id", "run_number", "document")),),
)

FORMER: tuple[Projection, ...] = ()
