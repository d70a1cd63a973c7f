"""``flowledger events``: print, export, check and import the log."""

from __future__ import annotations

import asyncio

import click
import orjson

from events.envelope import Event, Position
from service.api import rendering
from service.cli.exports import check_export, export_events, import_events
from service.cli.ledger import Ledger, open_ledger, print_json, run
from service.errors import NotFound

BATCH = 500
POLL_S = 0.25
LAST = 2**63 - 1


@click.group()
def events() -> None:
    """Print, export, check and import the log."""


@events.command()
@click.option(
    "--after",
    type=click.IntRange(0, LAST),
    help="Start after this position instead of at the end of the log.",
)
@click.option("--limit", type=click.IntRange(1), help="Stop after this many events.")
@click.option(
    "--follow/--no-follow",
    default=True,
    help="At the end of the log, wait for more events (default) or stop.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def tail(after: int | None, limit: int | None, follow: bool, as_json: bool) -> None:
    """Print events in the order of the log."""
    run(_tail(after, limit, follow=follow, as_json=as_json))


async def _tail(after: int | None, limit: int | None, *, follow: bool, as_json: bool) -> None:
    async with open_ledger() as ledger:
        position = await _start_position(ledger, after, limit, follow=follow)
        left = limit
        while left is None or left > 0:
            page = await ledger.log.read(position, min(BATCH, left or BATCH))
            for event in page:
                click.echo(_line(event, as_json=as_json))
            if page:
                position = page[-1].position
                left = None if left is None else left - len(page)
            elif follow:
                await asyncio.sleep(POLL_S)
            else:
                return


async def _start_position(
    ledger: Ledger, after: int | None, limit: int | None, *, follow: bool
) -> Position:
    if after is not None:
        return Position(after)
    head = await ledger.log.head()
    return head if follow else Position(max(0, head - (limit or BATCH)))


def _line(event: Event, *, as_json: bool) -> str:
    shown = rendering.event(event)
    if as_json:
        return orjson.dumps(shown).decode()
    data = orjson.dumps(event.data).decode()
    return (
        f"{event.position:>8}  {shown['recorded_at']}  {event.tenant:<10} "
        f"{event.type:<20} {event.stream} v{event.version}  {event.actor}  {data}"
    )


@events.command()
@click.argument("position", type=click.IntRange(1, LAST))
def show(position: int) -> None:
    """Print the event at POSITION as JSON."""
    run(_show(position))


async def _show(position: int) -> None:
    async with open_ledger() as ledger:
        page = await ledger.log.read(Position(position - 1), 1)
        if not page:
            raise NotFound(
                f"there is no event at position {position}:"
                f" the log ends at position {await ledger.log.head()}"
            )
        print_json(rendering.event(page[0]))


for command in (export_events, check_export, import_events):
    events.add_command(command)

VERB = events
