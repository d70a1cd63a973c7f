"""``flowledger projections``: look after the read models."""

from __future__ import annotations

import click

from service.cli.read_models.list import list_read_models
from service.cli.read_models.rebuild import (
    drop_projection,
    rebuild_projection,
    roll_back_projection,
)
from service.cli.read_models.retry import retry
from service.cli.read_models.skip import skip
from service.cli.read_models.verify import verify


@click.group()
def projections() -> None:
    """Look after the read models."""


for _verb in (
    list_read_models,
    rebuild_projection,
    roll_back_projection,
    drop_projection,
    retry,
    skip,
    verify,
):
    projections.add_command(_verb)

VERB = projections
