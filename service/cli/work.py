"""``flowledger work``: only a worker, apart from the rest."""

from __future__ import annotations

import click

from service.cli.ledger import run
from service.cli.parts import run_parts
from service.errors import InvalidSetting
from service.runtime import ProcessRole
from service.settings import read_settings


@click.command()
def work() -> None:
    """Execute flows until told to stop; some other process must apply the read models."""
    run(_work())


async def _work() -> None:
    if read_settings().flows is None:
        raise InvalidSetting("FLOWLEDGER_FLOWS", "is not set; name the folder with flows.yaml")
    await run_parts({ProcessRole.WORK})


VERB = work
