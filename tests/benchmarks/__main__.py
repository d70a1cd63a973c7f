"""The programme of `make bench`: one verb for each thing that is measured, one that renders.

A verb measures its pieces, prints them, and saves them in docs/reference/performance.json. A saved
piece replaces its former result, so each piece can be measured again by itself. `render` writes
docs/reference/performance.md from what is saved. Only subjects of one run make a ratio: a piece is
one run of all its subjects in turn.
"""

from __future__ import annotations

import os
import shlex
import signal
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import click
import uvloop

from tests.benchmarks import figures, growing, inside, page, stage
from tests.benchmarks.figures import Figure, Piece
from tests.benchmarks.goals import COMMON, MANY
from tests.benchmarks.peers import PEERS_BY_NAME
from tests.benchmarks.serving import rounds as serving
from tests.benchmarks.smoke import own_postgres
from tests.benchmarks.smoke import smoke as smoke_test
from tests.benchmarks.storing import rounds as storing

OPERATIONS = (
    "start",
    "status",
    "status of many",
    "status of Etlworks",
    "list",
    "list deep",
    "list filtered",
    "cancel",
)
LISTS = ("list", "list deep", "list filtered")
FEW = tuple(each for each in OPERATIONS if each not in LISTS)
GROWTH, LARGE = (20_000, 200_000), 2_000_000
"""Runs whose events are 100 thousand, a million and ten million."""

PEERS = click.option("--peers", is_flag=True, help="Measure the peers too.")
ROUNDS = click.option("--rounds", default=3, show_default=True)
SECONDS = click.option("--seconds", default=2.0, show_default=True)


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
@SECONDS
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
@click.option("--callers", "-c", multiple=True, type=int, default=(1, 16, 256))
@SECONDS
@ROUNDS
@PEERS
def append(callers: tuple[int, ...], seconds: float, rounds: int, peers: bool) -> None:
    """Measure appends to the log, beside other stores, COPY and INSERT."""

    async def measure(admin: str, keep: Keep) -> None:
        for each in callers:
            taken = await storing.append(
                admin, _stores(peers=peers), callers=each, count=rounds, seconds=seconds
            )
            keep("append", {"callers": each}, taken)

    _measure(measure)


@main.command()
@click.option("--writers", default=16, show_default=True)
@click.option("--seconds", default=4.0, show_default=True)
@ROUNDS
@PEERS
def tail(writers: int, seconds: float, rounds: int, peers: bool) -> None:
    """Measure how soon a tailing reader has an event, and how many it never gets."""

    async def measure(admin: str, keep: Keep) -> None:
        taken = await storing.tail(
            admin, _stores(peers=peers), writers=writers, count=rounds, seconds=seconds
        )
        keep("tail", {"writers": writers}, taken)

    _measure(measure)


@main.command()
@PEERS
def rebuild(peers: bool) -> None:
    """Measure a rebuild, and count the rows that it leaves wrong."""

    async def measure(admin: str, keep: Keep) -> None:
        keep("rebuild", {}, await storing.rebuild(admin, _stores(peers=peers)))

    _measure(measure)


@main.command()
@click.option("--events-a-second", default=2_000, show_default=True)
@click.option("--seconds", default=10.0, show_default=True)
def visible(events_a_second: int, seconds: float) -> None:
    """Measure from an append until all read models show it, under a steady stream."""

    async def measure(admin: str, keep: Keep) -> None:
        found = await inside.visible(await stage.fresh(admin, "store"), events_a_second, seconds)
        click.echo(f"  visible: p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms")
        keep("visible", {"events_a_second": events_a_second}, [found])

    _measure(measure)


@main.command()
def credential() -> None:
    """Measure the check of a token."""

    async def measure(admin: str, keep: Keep) -> None:
        found = await inside.credential(await stage.fresh(admin, "store"))
        click.echo(f"  a credential check: {1e6 / found.per_s:.1f} us")
        keep("credential", {}, [found])

    _measure(measure)


@main.command()
@click.option("--runs", multiple=True, type=int, default=GROWTH, show_default=True)
@click.option("--large", is_flag=True, help=f"{LARGE:,} runs as well, ten million events.")
@SECONDS
def growth(runs: tuple[int, ...], seconds: float, large: bool) -> None:
    """Measure whether a larger log is slower, and what it takes of memory and disk."""

    async def measure(admin: str, keep: Keep) -> None:
        sizes = (*runs, *((LARGE,) if large else ()))
        for each, taken in (await growing.measure(admin, sizes, seconds)).items():
            keep("growth", {"runs": each}, taken)

    _measure(measure)


def _stores(*, peers: bool) -> list[storing.Store]:
    return storing.OURS + (storing.PEERS if peers else [])


@main.command()
@click.argument("runs", type=int)
@PEERS
def fill(runs: int, peers: bool) -> None:
    """Make the databases that hold so many RUNS already; `http --filled` would make them too."""
    modules = serving.OURS + (serving.PEERS if peers else ())

    async def make(admin: str, _keep: Keep) -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with serving.subjects(admin, Path(folder), runs, modules) as found:
                click.echo(f"{runs:,} runs in {', '.join(subject.name for subject in found)}")

    _measure(make)


@main.command()
def smoke() -> None:
    """Print ratios to the limits in a minute; fail where one is below half of its goal."""

    with own_postgres() as (url, folder):
        verdicts = uvloop.run(smoke_test(url, folder))
    click.echo("\n".join(map(str, verdicts)))
    if not all(verdict.good for verdict in verdicts):
        raise click.exceptions.Exit(1)


@main.command()
@click.option("--remark", help="What the page is to say about the conditions of this measurement.")
def render(remark: str | None) -> None:
    """Make docs/reference/performance.md and its plots of what is kept."""
    if remark is not None:
        figures.remark(remark)
    page.write(figures.read())


@main.command("all")
@SECONDS
@ROUNDS
@PEERS
@click.pass_context
def everything(context: click.Context, seconds: float, rounds: int, peers: bool) -> None:
    """Measure all pieces, one verb after the other, and render the page.

    SECONDS are those of a round of requests; what takes its own time is not made shorter by them.
    """
    timed = {"seconds": seconds, "rounds": rounds, "peers": peers}
    context.invoke(http, operations=FEW, **timed)
    context.invoke(http, operations=LISTS, filled=COMMON, **timed)
    context.invoke(http, operations=LISTS, filled=MANY, seconds=seconds, rounds=rounds)
    context.invoke(append, **timed)
    context.invoke(tail, rounds=rounds, peers=peers)
    context.invoke(rebuild, peers=peers)
    context.invoke(visible)
    context.invoke(credential)
    context.invoke(growth)
    context.invoke(render)


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

    # Ended from outside, we end as by Ctrl-C: what we started and hold must not stay behind.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    with stage.postgres() as admin:
        uvloop.run(run())


def _command() -> str:
    """The command line that measures this piece by itself, in `all` as well."""
    context = click.get_current_context()
    words = [str(context.command.name)]
    for each in context.command.params:
        value = context.params[each.name]
        if isinstance(each, click.Argument):
            words += value
        elif value is True:
            words.append(each.opts[-1])
        elif value != each.get_default(context):
            for one in value if each.multiple else [value]:
                words += [each.opts[-1], str(one)]
    return f"python -m tests.benchmarks {shlex.join(words)}"


if __name__ == "__main__":
    main(prog_name="python -m tests.benchmarks")
