"""``flowledger resume``: let a ledger on hold start and execute again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import click

from projections import registry
from projections.read_models.dispatch import read as dispatch
from service.access import Origin
from service.cli.ledger import Ledger, open_ledger, run
from service.errors import OperationConflict
from service.flows.catalogue import Catalogue
from service.hold import Held, Hold
from service.schedules.last_fired import FlowKey, LastFiredTable
from service.schedules.scheduler import find_due

ORIGIN: Final = Origin(actor="cli", source="cli")
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a resumed ledger does first, of all tenants: runs as rows of `dispatch`, 10,000 each."""

    waiting: Sequence[Any]
    claimed: Sequence[Any]
    overdue: Sequence[Any]
    due: Sequence[tuple[FlowKey, datetime]]

    def lines(self) -> Iterator[str]:
        """Say it to an operator."""
        yield _line(self.waiting, "wait, and are executed")
        yield _line(self.claimed, "had been claimed by a worker, and another takes them over")
        yield _line(self.overdue, "are past their timeout, and fail")
        named = [f"{name} of {tenant}, due {at.isoformat()}" for (tenant, name), at in self.due]
        yield _counted(len(self.due), "scheduled flows are due, and start", named)


@click.command()
@click.option("--reason", required=True, help="Why; the log keeps it for ever.")
@click.option("--dry-run", is_flag=True, help="Only print what would be executed.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def resume(reason: str, dry_run: bool, yes: bool) -> None:
    """Let a ledger that `serve --hold` or `work --hold` put on hold start and execute again.

    Prints first what will be executed then. Cancel the runs that must not be.
    """
    run(_resume(reason, dry_run=dry_run, ask=not yes))


VERB = resume


async def _resume(reason: str, *, dry_run: bool, ask: bool) -> None:
    async with open_ledger() as ledger:
        hold = Hold(ledger.log)
        await hold.load()
        for line in (_since(hold.held), *(await _look_ahead(ledger)).lines()):
            click.echo(line)
        if dry_run:
            click.echo("dry run: nothing was changed")
            return
        if ask:
            click.confirm("Resume?", abort=True)
        await hold.end(reason, ORIGIN)
    click.echo("the ledger is not on hold any more")


def _since(held: Held | None) -> str:
    if held is None:
        raise OperationConflict("the ledger is not on hold")
    return f"on hold since {held.recorded_at} by {held.actor}: {held.reason}"


async def _look_ahead(ledger: Ledger) -> Outlook:
    catalogue = Catalogue(ledger.log)
    await catalogue.load()
    due = await find_due(catalogue, LastFiredTable(ledger.pool), await ledger.log.clock())
    pool = await registry.open_read_pool(ledger.log.database, max_size=1)
    try:
        async with pool.acquire() as connection:
            waiting = await dispatch.waiting(connection, dispatch.MAX_ROWS)
            claimed = await dispatch.claimed(connection)
            overdue = await dispatch.overdue(connection)
    finally:
        await pool.close()
    return Outlook(waiting.rows, claimed.rows, overdue.rows, due)


def _line(rows: Sequence[Any], what: str) -> str:
    named = [f"{row['fullname']} {row['run_id']} of {row['tenant']}" for row in rows]
    return _counted(len(rows), f"runs {what}", named)


def _counted(count: int, what: str, named: Sequence[str]) -> str:
    """Count things and name the first.

    >>> _counted(0, "runs wait", [])
    'runs wait: 0'
    >>> _counted(4, "runs wait", ["a", "b", "c", "d"])
    'runs wait: 4: a; b; c; ...'
    """
    parts = [*named[:_NAMED], *(["..."] if len(named) > _NAMED else [])]
    return f"{what}: {count}" + (f": {'; '.join(parts)}" if parts else "")
