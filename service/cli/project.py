"""``flowledger project``: only the read models, apart from the rest."""

from __future__ import annotations

import click

from service.cli.ledger import run
from service.cli.parts import run_parts
from service.runtime import ProcessRole


@click.command()
def project() -> None:
    """Apply the log to the read models until told to stop; beside any number of others."""
    run(run_parts({ProcessRole.PROJECT}))


VERB = project
