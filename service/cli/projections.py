"""``flowledger projections``: how far the read models are."""

from __future__ import annotations

import click

from projections.registry import status
from service.cli.ledger import open_ledger, print_json, run
from service.cli.read_models.rebuild import (
    drop_projection,
    rebuild_projection,
    roll_back_projection,
)
from service.cli.read_models.retry import retry
from service.cli.read_models.skip import skip


@click.group()
def projections() -> None:
    """Look after the read models."""


@projections.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_projections(as_json: bool) -> None:
    """List the read models with position, head, lag, state and error."""
    run(_list(as_json=as_json))


async def _list(*, as_json: bool) -> None:
    async with open_ledger() as ledger:
        rows = await status(ledger.pool)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(
            f"{row['name']:<12} v{row['version']}  {row['state']:<8} "
            f"position {row['position']} of {row['head']}  lag {row['lag_events']} events"
            + (f"  {row['error']}" if row["error"] else "")
        )


for _verb in (rebuild_projection, roll_back_projection, drop_projection, retry, skip):
    projections.add_command(_verb)

VERB = projections
