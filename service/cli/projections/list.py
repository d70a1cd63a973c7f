"""``flowledger projections list``: position, lag, rate and state of the read models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from projections.serving.lag import LagMonitor
from service.cli.ledger import open_ledger, print_json, run

COLUMNS = ("name", "version", "state", "position", "head", "lag", "behind", "rate")


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--watch", is_flag=True, help="Repeat until Ctrl-C.")
def list_versions(as_json: bool, watch: bool) -> None:
    """List the read models: position, head, lag in events and seconds, rate, state and error.

    The rate is measured over one second, whichever process applies the events. A star marks the
    version that serves.
    """
    run(_list(as_json=as_json, watch=watch))


async def _list(*, as_json: bool, watch: bool) -> None:
    async with open_ledger() as ledger:
        monitor = LagMonitor(ledger.pool)
        while True:
            rows = await monitor.refresh()
            if as_json:
                print_json(rows)
            else:
                click.echo("\n".join(_table(rows)))
            if not watch:
                return
            click.echo()


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    cells = [COLUMNS, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    return lines + [note for row in rows for note in _notes(row)]


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        row["name"],
        f"{row['version']}{'*' if row['serving'] else ''}",
        row["state"],
        str(row["position"]),
        str(row["head"]),
        f"{row['lag_events']} events",
        f"{row['lag_s']:.1f} s",
        f"{row['rate_per_s']:.0f}/s",
    )


def _notes(row: Mapping[str, Any]) -> list[str]:
    title = f"{row['name']} version {row['version']}"
    found = []
    if row["error"]:
        found.append(f"{title} stopped before position {row['error_position']}: {row['error']}")
    if row["advice"]:
        found.append(f"{title}: {row['advice']}")
    return found
