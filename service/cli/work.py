"""``flowledger work``: only a worker, apart from the rest."""

from __future__ import annotations

import click

from service.app import Part
from service.cli.ledger import run
from service.cli.parts import run_parts
from service.settings import read_settings


@click.command()
def work() -> None:
    """Execute flows until told to stop; some other process must apply the read models."""
    if read_settings().flows is None:
        raise click.ClickException("FLOWLEDGER_FLOWS is not set; name the folder with flows.yaml")
    run(run_parts({Part.WORK}))


VERB = work
