"""``flowledger serve``: the whole service in one process."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import click

from events.database import connect_pool
from events.store import Log
from service.access import Origin
from service.cli.ledger import database, run
from service.hold import Hold
from service.ops.environment import forget_secrets
from service.ops.migrations import migrate_all
from service.ops.watchdog import Watchdog
from service.runtime import ALL_ROLES, ProcessRole
from service.serving import STOP_MARGIN_S, end_process, serving, wait_until_stopped
from service.settings import read_settings

_ORIGIN: Final = Origin(actor="cli", source="cli")
HOLD = click.option(
    "--hold",
    is_flag=True,
    help="First put the ledger on hold: it is read, and starts and executes nothing until"
    " `flowledger resume`. For a restored copy.",
)


@click.command()
@click.option("--migrate", is_flag=True, help="First bring the database up to this release.")
@HOLD
def serve(migrate: bool, hold: bool) -> None:
    """Run the whole service until it is stopped: all APIs, the read models, workers and schedules.

    SIGTERM or Ctrl-C stops it. Requests in flight and running tasks get the grace period,
    FLOWLEDGER_GRACE.
    """
    run(run_roles(ALL_ROLES, migrate=migrate, hold=hold))


async def run_roles(
    process_roles: Collection[ProcessRole], *, migrate: bool = False, hold: bool = False
) -> None:
    """Run a service in some roles until the process is told to stop, then end the process."""
    async with database(read_settings()) as settings:
        forget_secrets()
        if migrate:
            await migrate_all(settings.require_database_url)
        if hold:
            await _put_on_hold(settings.require_database_url)
        with Watchdog(settings.watchdog_s) as watchdog:
            async with serving(settings, process_roles) as (service, _):
                status = await wait_until_stopped(service)
                watchdog.end_within(settings.grace_s + STOP_MARGIN_S)
    end_process(status)


async def _put_on_hold(url: str) -> None:
    # Before any part of the process starts: it may not execute anything meanwhile.
    pool = await connect_pool(url, max_size=1)
    try:
        hold = Hold(Log(pool))
        await hold.load()
        await hold.begin("a process was started with --hold", _ORIGIN)
    finally:
        await pool.close()


VERB = serve
