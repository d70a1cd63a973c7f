"""The programme of `make bench`: one verb for each thing that is measured, one that renders.

A verb measures its pieces, prints them, and keeps them in docs/performance.json in the place of
what they were before, so that a piece can be measured anew by itself; `render` makes
docs/performance.md of what is kept. Only what runs at the same time on the same machine makes a
ratio: a piece is one run of all its subjects in turn.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import click
import uvloop

from tests.benchmarks import figures, stage
from tests.benchmarks.figures import Figure, Piece
from tests.benchmarks.peers import PEERS_BY_NAME
from tests.benchmarks.serving import rounds as serving
from tests.benchmarks.smoke import own_postgres
from tests.benchmarks.smoke import smoke as smoke_test

OPERATIONS = (
    "start",
    "status",
    "status of Etlworks",
    "list",
    "list deep",
    "list filtered",
    "cancel",
)
LISTS = ("list", "list deep", "list filtered")
FEW = tuple(each for each in OPERATIONS if each not in LISTS)
COMMON, MANY = 200_000, 1_000_000
"""Runs that are there: beside the peers, and by ourselves."""

PEERS = click.option("--peers", is_flag=True, help="Measure the peers too.")
ROUNDS = click.option("--rounds", default=3, show_default=True)


@click.group()
def main() -> None:
    """Measure Flowledger beside its peers and its limits."""


@main.command()
def install() -> None:
    """Install the peers, each by itself, below .cache/peers."""
    for peer in PEERS_BY_NAME.values():
        click.echo(f"{peer.name} {peer.version} in {peer.folder}")
        peer.install()


@main.command()
@click.argument("operations", nargs=-1, type=click.Choice(OPERATIONS))
@click.option("--connections", "-c", multiple=True, type=int, default=(1, 8, 64, 256))
@click.option("--filled", default=0, help="Runs that are there already.")
@click.option("--seconds", default=2.0, show_default=True)
@ROUNDS
@PEERS
def http(
    operations: tuple[str, ...],
    connections: tuple[int, ...],
    filled: int,
    seconds: float,
    rounds: int,
    peers: bool,
) -> None:
    """Measure OPERATIONS over HTTP: durable starts, reads, lists, cancels."""
    modules = serving.OURS + (serving.PEERS if peers else ())

    async def measure(admin: str, keep: Keep) -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with serving.subjects(admin, Path(folder), filled, modules) as found:
                for operation in operations or OPERATIONS:
                    for each in connections:
                        case = {"connections": each, "filled": filled}
                        taken = await serving.rounds(
                            found, operation, connections=each, count=rounds, seconds=seconds
                        )
                        keep(f"http {operation}", case, taken)

    _measure(measure)


@main.command()
def smoke() -> None:
    """Print ratios to the limits in a minute; fail where one is below half of its goal."""

    with own_postgres() as (url, folder):
        verdicts = uvloop.run(smoke_test(url, folder))
    click.echo("\n".join(map(str, verdicts)))
    if not all(verdict.good for verdict in verdicts):
        raise click.exceptions.Exit(1)


@main.command("all")
@PEERS
@click.pass_context
def everything(context: click.Context, peers: bool) -> None:
    """Measure all pieces, one verb after the other, and render the page."""
    context.invoke(http, operations=FEW, peers=peers)
    context.invoke(http, operations=LISTS, filled=COMMON, peers=peers)
    context.invoke(http, operations=LISTS, filled=MANY)


Keep = Callable[[str, dict[str, Any], Sequence[Figure]], None]


def _measure(work: Callable[[str, Keep], Awaitable[None]]) -> None:
    """Measure with a Postgres at work; each piece is kept as soon as it is there."""

    async def run() -> None:
        setting = await stage.setting(admin)
        click.echo(f"Postgres for all: {setting['postgres']}")

        def keep(kind: str, case: dict[str, Any], taken: Sequence[Figure]) -> None:
            command, at, commit = _command(), stage.now(), stage.commit()
            figures.keep(Piece(kind, case, command, at, commit, tuple(taken)), setting)

        await work(admin, keep)

    with stage.postgres() as admin:
        uvloop.run(run())


def _command() -> str:
    return f"python -m tests.benchmarks {shlex.join(sys.argv[1:])}"


if __name__ == "__main__":
    main(prog_name="python -m tests.benchmarks")
