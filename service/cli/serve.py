"""``flowledger serve``: the whole service in one process."""

from __future__ import annotations

import click

from service.cli.ledger import run
from service.cli.parts import run_parts
from service.runtime import ALL_ROLES


@click.command()
@click.option("--migrate", is_flag=True, help="First bring the database up to this release.")
def serve(migrate: bool) -> None:
    """Serve all dialects, apply the read models and execute flows, until told to stop.

    SIGTERM ends it: requests in flight and running tasks get the grace period, FLOWLEDGER_GRACE.
    """
    run(run_parts(ALL_ROLES, migrate=migrate))


VERB = serve
