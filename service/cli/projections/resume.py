"""``flowledger projections retry`` and ``skip``: resume a paused read model."""

from __future__ import annotations

from typing import Final, assert_never

import click

from events.envelope import Position
from projections.live.paused import ResumeOutcome
from service.access import Origin
from service.api import rendering
from service.cli.ledger import Ledger, open_ledger, print_json, run
from service.errors import NotFound, NotPaused
from service.ops.paused import SETTLED_S, PausedReadModels, ResumeResult, Row, check_reason

ORIGIN: Final = Origin(actor="cli", source="cli")
VERSION: Final = click.option(
    "--version", type=click.IntRange(1), help="This version instead of the one that serves."
)


@click.command()
@click.argument("name")
@VERSION
def retry(name: str, version: int | None) -> None:
    """Retry the paused read model NAME at the event that it failed to apply."""
    run(_retry(name, version))


async def _retry(name: str, version: int | None) -> None:
    async with open_ledger() as ledger:
        resumed = await PausedReadModels(ledger.pool, ledger.log).retry(name, version)
    print_result(resumed)


@click.command()
@click.argument("name")
@click.argument("position", type=click.IntRange(1, 2**63 - 1), required=False)
@VERSION
@click.option("--reason", required=True, help="Why; the log keeps it for ever.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def skip(name: str, position: int | None, version: int | None, reason: str, yes: bool) -> None:
    """Skip the event at which the read model NAME is paused, and resume it.

    POSITION guards against skipping the wrong event: the command fails unless the read model is
    paused there. Only this version of this read model will lack the event. The skip is recorded in
    the log.
    """
    run(_skip(name, position, version, reason=reason, ask=not yes))


async def _skip(
    name: str, position: int | None, version: int | None, *, reason: str, ask: bool
) -> None:
    check_reason(reason)
    async with open_ledger() as ledger:
        paused = PausedReadModels(ledger.pool, ledger.log)
        row = await paused.find(name, version)
        skipped = Position(position or _paused_at(row))
        await _show_event(ledger, skipped)
        if ask:
            title = f"{name} version {row['version']}"
            click.confirm(f"Skip position {skipped} in {title} for ever?", abort=True)
        resumed = await paused.skip(name, row["version"], skipped, reason=reason, origin=ORIGIN)
    click.echo(f"position {skipped} is skipped, recorded at position {resumed.skipped_at}")
    print_result(resumed)


def _paused_at(row: Row) -> int:
    if row["state"] != "paused":
        raise NotPaused(f"{row['name']} version {row['version']} is {row['state']}, not paused")
    position: int = row["error_position"]
    return position


async def _show_event(ledger: Ledger, position: Position) -> None:
    page = await ledger.log.read(Position(position - 1), 1)
    if not page:
        raise NotFound(
            f"there is no event at position {position}:"
            f" the log ends at position {await ledger.log.head()}"
        )
    print_json(rendering.event(page[0]))


def print_result(resumed: ResumeResult) -> None:
    """Print what a resumed read model did; exit status 1 where it paused at the event again."""
    row = resumed.row
    title = f"{row['name']} version {row['version']}"
    match resumed.outcome:
        case ResumeOutcome.RESUMED:
            click.echo(f"{title} runs again: position {row['position']} of {row['head']}")
        case ResumeOutcome.PAUSED_AGAIN:
            raise click.ClickException(
                f"{title} is paused again at position {row['error_position']}: {row['error']}"
            )
        case ResumeOutcome.WAITING:
            click.echo(
                f"{title} may continue from position {row['position']}, but no process has applied"
                f" an event within {SETTLED_S:.0f} s: start `flowledger serve` or `project`"
            )
        case other:
            assert_never(other)
