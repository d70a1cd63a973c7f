"""``flowledger projections retry``: a paused read model tries again."""

from __future__ import annotations

import click

from service.cli.ledger import open_ledger, run
from service.cli.read_models.resumed import VERSION, tell
from service.ops.paused import Pauses


@click.command()
@click.argument("name")
@VERSION
def retry(name: str, version: int | None) -> None:
    """Have the paused read model NAME try again the event that it stands before."""
    run(_retry(name, version))


async def _retry(name: str, version: int | None) -> None:
    async with open_ledger() as ledger:
        resumed = await Pauses(ledger.pool, ledger.log).retry(name, version)
    tell(resumed)
