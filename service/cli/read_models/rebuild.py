"""``flowledger projections rebuild``, ``rollback`` and ``drop``: versions of a read model."""

from __future__ import annotations

import asyncio
import contextlib

import click
from tqdm import tqdm

from events.database import Pool
from projections.errors import NoSuchReadModel, RebuildFailed
from projections.rebuild import jobs
from projections.rebuild.jobs import Rebuild, RebuildOptions
from projections.rebuild.pool import default_workers
from projections.rebuild.rollback import drop_previous_version, roll_back
from projections.rebuild.start import rebuild
from projections.registry import read_registry
from service.cli.ledger import Ledger, open_ledger, run
from service.cli.progress import QUIET

POLL_S = 0.2
ACTOR = "cli"


@click.command("rebuild")
@click.argument("name")
@click.option(
    "--workers", type=click.IntRange(1, 64), help="Processes that fold; half the cores by default."
)
@click.option("--rate", type=click.IntRange(1), help="Fold at most so many events a second.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@click.option("--cancel", is_flag=True, help="Drop the rebuild that is under way.")
@QUIET
def rebuild_projection(
    name: str, workers: int | None, rate: int | None, dry_run: bool, cancel: bool, quiet: bool
) -> None:
    """Rebuild the read model NAME from the log beside the version that answers, and change over.

    Serving goes on meanwhile. The same command again goes on with a rebuild that was stopped.
    """
    if dry_run:
        run(_tell(name, workers))
    elif cancel:
        run(_cancel(name))
    else:
        run(_rebuild(name, RebuildOptions(ACTOR, ACTOR, workers=workers, rate=rate), quiet=quiet))


async def _tell(name: str, workers: int | None) -> None:
    async with open_ledger() as ledger:
        rows = await read_registry(ledger.pool)
        if name not in rows:
            raise NoSuchReadModel(name, sorted(rows))
        found = await jobs.find(ledger.pool, name)
        head = await ledger.log.head()
    row = rows[name]
    if found is not None and found.open:
        click.echo(
            f"would go on with version {found.new_version} of {name}, which is {found.phase}:"
            f" {found.folded} of {found.target} events folded"
        )
        return
    click.echo(
        f"would fold {head} events in {workers or default_workers()} processes beside version"
        f" {row.version} of {name}, which goes on answering, and change over"
    )
    if row.previous_version is not None:
        click.echo(f"would drop version {row.previous_version}, kept for a way back, at the start")


async def _cancel(name: str) -> None:
    async with open_ledger() as ledger:
        await jobs.request_cancel(ledger.pool, name)
    click.echo(f"the rebuild of {name} will be dropped by whoever is at it, or takes it up next")


async def _rebuild(name: str, options: RebuildOptions, *, quiet: bool) -> None:
    async with open_ledger() as ledger:
        url = ledger.settings.require_database_url
        watching = asyncio.create_task(_watch(ledger.pool, name, quiet=quiet))
        try:
            done = await rebuild(url, name, options)
            if done is None:
                click.echo(f"{name} is being rebuilt already; this only watches", err=True)
                done = await _finished(ledger, name)
        except asyncio.CancelledError:
            click.echo(
                f"stopped, and nothing is lost: `flowledger projections rebuild {name}` goes on,"
                " and so does a running service by itself",
                err=True,
            )
            raise
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
    _report(done)


async def _finished(ledger: Ledger, name: str) -> Rebuild:
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
    """Show how far it is; the rate is that of what is folded, not of what others see."""
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
        f"version {done.new_version} of {done.name} answers, as of position"
        f" {result.get('position')}: {rows} rows"
    )
    if result.get("alike") is False:
        click.echo(
            f"version {done.from_version} was not what the log tells; `flowledger projections"
            f" rollback {done.name}` would bring it back"
        )


@click.command("rollback")
@click.argument("name")
def roll_back_projection(name: str) -> None:
    """Have the version of the read model NAME that answered before answer again."""
    run(_roll_back(name))


async def _roll_back(name: str) -> None:
    async with open_ledger() as ledger:
        url = ledger.settings.require_database_url
        done = await roll_back(url, name, RebuildOptions(ACTOR, ACTOR))
    click.echo(f"version {done.new_version} of {name} answers; {done.from_version} is kept")


@click.command("drop")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop_projection(name: str, yes: bool) -> None:
    """Drop the version of the read model NAME that is kept for a rollback."""
    if not yes:
        click.confirm(f"Drop the version of {name} that a rollback would need?", abort=True)
    run(_drop(name))


async def _drop(name: str) -> None:
    async with open_ledger() as ledger:
        dropped = await drop_previous_version(ledger.settings.require_database_url, name)
    click.echo(f"dropped {dropped}" if dropped else f"no version of {name} is kept")
