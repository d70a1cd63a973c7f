"""``flowledger work``: a process that only executes runs."""

from __future__ import annotations

import click

from service.cli.ledger import run
from service.cli.serve import HOLD, run_roles
from service.errors import InvalidSetting
from service.runtime import ProcessRole
from service.settings import read_settings


@click.command()
@HOLD
def work(hold: bool) -> None:
    """Execute runs and start what is scheduled, until stopped.

    Another process must apply the read models: `flowledger serve` or `flowledger project`.
    """
    run(_work(hold=hold))


async def _work(*, hold: bool) -> None:
    if read_settings().flows is None:
        raise InvalidSetting("FLOWLEDGER_FLOWS", "is not set; name the folder with flows.yaml")
    await run_roles({ProcessRole.WORK}, hold=hold)


VERB = work
