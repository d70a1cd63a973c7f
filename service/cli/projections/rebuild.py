"""``flowledger projections rebuild``, ``rollback`` and ``drop``: make and switch versions."""

from __future__ import annotations

import asyncio
import contextlib

import click
from tqdm import tqdm

from events.database import Pool
from projections.errors import NoSuchReadModel, RebuildFailed
from projections.rebuild import jobs
from projections.rebuild.jobs import MAX_WORKERS, Rebuild, RebuildOptions
from projections.rebuild.pool import default_workers
from projections.rebuild.rollback import drop_previous_version, roll_back
from projections.rebuild.start import rebuild
from projections.registry import read_registry
from service.cli.ledger import QUIET, Ledger, open_ledger, run

POLL_S = 0.2
ACTOR = "cli"


@click.command("rebuild")
@click.argument("name")
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    help="Processes that read the log; default: half the cores.",
)
@click.option("--rate", type=click.IntRange(1), help="Read at most so many events a second.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option(
    "--cancel", is_flag=True, help="Cancel the rebuild in progress and drop what it has made."
)
@QUIET
def rebuild_read_model(
    name: str, workers: int | None, rate: int | None, dry_run: bool, cancel: bool, quiet: bool
) -> None:
    """Rebuild the read model NAME from the log, verify the new version, and switch to it.

    The present version serves until then. Repeat the command to continue a rebuild that was
    stopped.
    """
    if dry_run:
        run(_dry_run(name, workers))
    elif cancel:
        run(_cancel(name))
    else:
        run(_rebuild(name, RebuildOptions(ACTOR, ACTOR, workers=workers, rate=rate), quiet=quiet))


async def _dry_run(name: str, workers: int | None) -> None:
    async with open_ledger() as ledger:
        rows = await read_registry(ledger.pool)
        if name not in rows:
            raise NoSuchReadModel(name, sorted(rows))
        found = await jobs.find(ledger.pool, name)
        head = await ledger.log.head()
    row = rows[name]
    if found is not None and found.open:
        click.echo(
            f"would continue version {found.new_version} of {name}, which is {found.phase}:"
            f" {found.folded} of {found.target} events read"
        )
        return
    click.echo(
        f"would read {head} events in {workers or default_workers()} processes, while version"
        f" {row.version} of {name} serves, and switch to the new version"
    )
    if row.previous_version is not None:
        click.echo(f"would first drop version {row.previous_version}, which is kept for a rollback")


async def _cancel(name: str) -> None:
    async with open_ledger() as ledger:
        await jobs.request_cancel(ledger.pool, name)
    click.echo(
        f"the rebuild of {name} is being cancelled; the process that works on it drops the new"
        " version"
    )


async def _rebuild(name: str, options: RebuildOptions, *, quiet: bool) -> None:
    async with open_ledger() as ledger:
        url = ledger.settings.require_database_url
        watching = asyncio.create_task(_watch(ledger.pool, name, quiet=quiet))
        try:
            done = await rebuild(url, name, options)
            if done is None:
                click.echo(
                    f"another process rebuilds {name} already; this one shows the progress",
                    err=True,
                )
                done = await _wait_until_finished(ledger, name)
        except asyncio.CancelledError:
            click.echo(
                f"stopped; nothing is lost: `flowledger projections rebuild {name}` continues the"
                " rebuild, and so does a running service",
                err=True,
            )
            raise
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
    _report(done)


async def _wait_until_finished(ledger: Ledger, name: str) -> Rebuild:
    while True:
        found = await jobs.find(ledger.pool, name)
        if found is None or not found.open:
            break
        if found.phase == "failed":
            raise RebuildFailed(f"the rebuild of {name} stopped: {found.error}")
        await asyncio.sleep(POLL_S)
    if found is None or found.phase == "cancelled":
        raise RebuildFailed(f"the rebuild of {name} was cancelled")
    return found


async def _watch(pool: Pool, name: str, *, quiet: bool) -> None:
    """Show a progress bar; its rate is that of the events read."""
    with tqdm(unit=" events", unit_scale=True, disable=True if quiet else None, leave=False) as bar:
        while True:
            found = await jobs.find(pool, name)
            if found is not None and found.open and found.target:
                bar.total = found.target
                bar.set_description(found.phase)
                bar.update(found.folded - bar.n)
            await asyncio.sleep(POLL_S)


def _report(done: Rebuild) -> None:
    result = done.result or {}
    rows = ", ".join(f"{table} {count}" for table, count in result.get("rows", {}).items())
    click.echo(
        f"version {done.new_version} of {done.name} serves since position"
        f" {result.get('position')}: {rows} rows"
    )
    if result.get("alike") is False:
        click.echo(
            f"version {done.from_version} differed from the log; `flowledger projections rollback"
            f" {done.name}` would switch back to it all the same"
        )


@click.command("rollback")
@click.argument("name")
def roll_back_read_model(name: str) -> None:
    """Switch the read model NAME back to its previous version."""
    run(_roll_back(name))


async def _roll_back(name: str) -> None:
    async with open_ledger() as ledger:
        url = ledger.settings.require_database_url
        done = await roll_back(url, name, RebuildOptions(ACTOR, ACTOR))
    click.echo(f"version {done.new_version} of {name} serves; version {done.from_version} is kept")


@click.command("drop")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def drop_version(name: str, yes: bool) -> None:
    """Drop the version of the read model NAME that is kept for a rollback."""
    if not yes:
        click.confirm(f"Drop the version of {name} that is kept for a rollback?", abort=True)
    run(_drop(name))


async def _drop(name: str) -> None:
    async with open_ledger() as ledger:
        dropped = await drop_previous_version(ledger.settings.require_database_url, name)
    click.echo(
        f"dropped {dropped}"
        if dropped
        else f"there is nothing to drop: no version of {name} is kept for a rollback"
    )
