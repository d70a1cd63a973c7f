"""``flowledger projections skip``: a read model passes by an event, which is recorded."""

from __future__ import annotations

import click

from events.envelope import Position
from service.api import rendering
from service.cli.ledger import Ledger, open_ledger, print_json, run
from service.cli.read_models.resumed import VERSION, tell
from service.errors import NotFound, NotPaused
from service.ops.paused import Pauses, Row, check_reason
from service.origin import Origin

ORIGIN = Origin(actor="cli", source="cli")


@click.command()
@click.argument("name")
@click.argument("position", type=click.IntRange(1, 2**63 - 1), required=False)
@VERSION
@click.option("--reason", required=True, help="Why: it is recorded in the log, for ever.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def skip(name: str, position: int | None, version: int | None, reason: str, yes: bool) -> None:
    """Have the read model NAME pass by the event that it is paused at, and go on.

    POSITION guards against skipping another event than you mean: it is refused unless the read
    model is paused there. Only this version of this read model will lack the event.
    """
    run(_skip(name, position, version, reason=reason, ask=not yes))


async def _skip(
    name: str, position: int | None, version: int | None, *, reason: str, ask: bool
) -> None:
    check_reason(reason)
    async with open_ledger() as ledger:
        pauses = Pauses(ledger.pool, ledger.log)
        row = await pauses.find(name, version)
        skipped = Position(position or _paused_at(row))
        await _show(ledger, skipped)
        if ask:
            title = f"{name} version {row['version']}"
            click.confirm(f"Have {title} skip position {skipped} for ever?", abort=True)
        resumed = await pauses.skip(name, row["version"], skipped, reason=reason, origin=ORIGIN)
    click.echo(f"position {skipped} is skipped, recorded at position {resumed.skipped_at}")
    tell(resumed)


def _paused_at(row: Row) -> int:
    if row["state"] != "paused":
        raise NotPaused(f"{row['name']} version {row['version']} is {row['state']}, not paused")
    position: int = row["error_position"]
    return position


async def _show(ledger: Ledger, position: Position) -> None:
    page = await ledger.log.read(Position(position - 1), 1)
    if not page:
        raise NotFound(f"the log ends at position {await ledger.log.head()}")
    print_json(rendering.event(page[0]))
