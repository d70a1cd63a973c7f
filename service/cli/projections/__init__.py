"""``flowledger projections``: check, rebuild and repair the read models."""

from __future__ import annotations

import click

from service.cli.projections.list import list_versions
from service.cli.projections.rebuild import drop_version, rebuild_read_model, roll_back_read_model
from service.cli.projections.resume import retry, skip
from service.cli.projections.verify import verify


@click.group()
def projections() -> None:
    """Check, rebuild and repair the read models."""


for _verb in (
    list_versions,
    rebuild_read_model,
    roll_back_read_model,
    drop_version,
    retry,
    skip,
    verify,
):
    projections.add_command(_verb)

VERB = projections
