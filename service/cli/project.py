"""``flowledger project``: a process that only applies the read models."""

from __future__ import annotations

import click

from service.cli.ledger import run
from service.cli.serve import run_roles
from service.runtime import ProcessRole


@click.command()
def project() -> None:
    """Apply the log to the read models until stopped; any number of processes may do so."""
    run(run_roles({ProcessRole.PROJECT}))


VERB = project
