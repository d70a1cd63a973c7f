"""How the command line tells what became of a read model that was told to go on."""

from __future__ import annotations

from typing import Final, assert_never

import click

from projections.live.paused import ResumeOutcome
from service.ops.paused import SETTLED_S, ResumeResult

VERSION: Final = click.option(
    "--version", type=click.IntRange(1), help="Not the version that answers, but this one."
)


def tell(resumed: ResumeResult) -> None:
    """Say what became of it; exit status 1 where it is paused at the same event again."""
    row = resumed.row
    title = f"{row['name']} version {row['version']}"
    match resumed.outcome:
        case ResumeOutcome.RESUMED:
            click.echo(f"{title} goes on: position {row['position']} of {row['head']}")
        case ResumeOutcome.PAUSED_AGAIN:
            raise click.ClickException(
                f"{title} is paused again at position {row['error_position']}: {row['error']}"
            )
        case ResumeOutcome.WAITING:
            click.echo(
                f"{title} may go on from position {row['position']}, and nobody has applied"
                f" anything within {SETTLED_S:.0f} s: does a `flowledger serve` or `project` run?"
            )
        case other:
            assert_never(other)
