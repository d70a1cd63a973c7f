"""``flowledger migrate``: bring the database up to this release."""

from __future__ import annotations

import click

from service.cli.ledger import database, run
from service.ops.migrations import migrate_all
from service.settings import read_settings


@click.command()
def migrate() -> None:
    """Bring the database up to this release; safe to repeat, and while a service runs."""
    run(_migrate())


async def _migrate() -> None:
    async with database(read_settings()) as settings:
        applied = await migrate_all(settings.require_database_url)
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to do")


VERB = migrate
