"""Render docs/reference/performance.md: tables, and plots where matplotlib is installed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import STORE, Figure, Piece, Results
from tests.benchmarks.goals import GOALS, Goal, grown
from tests.benchmarks.peers import PEERS_BY_NAME, peer

PAGE = STORE.with_suffix(".md")
PLOTS = STORE.with_suffix("")
FINDINGS = Path(__file__).with_name("findings.md")
"""What the profiles said: written by hand, the last part of the page."""

SUBJECTS = ("flowledger", "bare aiohttp", "Celery Director", "Prefect")
STORES = ("flowledger", "COPY", "INSERT", "eventsourcing", "eventsource-py", "emmett", "message-db")

HEAD = """# Performance

`make bench` writes this page from `performance.json`, where it saves its measurements. Only the
findings at the end are written by hand (`tests/benchmarks/findings.md`).

How to read the figures:

- **Ratios are within one run.** The subjects take turns, round after round, on one machine. The
  others are stopped meanwhile. All use one Postgres with the same settings.
- Rates are the median of the rounds. p50 and p99 are over all requests of all rounds.
- The load generator is the same for all and runs on the same processors. A connection sends its
  next request when the last one is answered. At many connections, latency is mostly queueing.
- Durability is whole: `fsync`, `full_page_writes` and `synchronous_commit` are on. Every request to
  Flowledger is authenticated and validated. A start is answered when its event is committed and its
  run can be read. Every event has its leaf hash.
- The peers run without authentication, as they do by default.
"""

HTTP = """## Over HTTP

| subject | how it runs | a start is |
| --- | --- | --- |
| Flowledger | one `flowledger serve` | a run of `example.EXTERNAL` |
| bare aiohttp | a handler that returns a constant | a POST |
| Celery Director | gunicorn, 2 workers of 4 threads, no Celery worker | a workflow of one task |
| Prefect | one API server | a pending flow run |

A cell is requests a second, with p50 and p99 in milliseconds. Errors are named where there are any.
"""

LISTS = """## Lists

The first page of 50 runs, the page 100,000 runs deep, and 50 runs of one status. Celery Director
has no filter. Flowledger is read through Director's own addresses, filtered through `/v1/runs`.
"""

APPENDS = """## Appends

One event of 200 bytes to a new stream each. COPY writes the same rows, 256 a transaction, into
tables with the log's columns and indexes: without checks, hashes or answers. INSERT writes one row
of one such table in a transaction.
"""

TAIL = """## A tailing reader

Sixteen writers append three events at a time. A reader in the same process follows in the way that
each store recommends. Lost events became visible behind the reader's position, so it never reads
them.
"""

REBUILD = """## Rebuild

From the events to one document a stream, then every row compared with the events. Flowledger's is
the read model `executions`, verification and change-over included. eventsource-py replays a list in
memory and message-db has no projections, so neither is measured.
"""

GROWTH = """## Growth

One ledger at different sizes: appends by 16 callers, reads at 8 connections, the size of the whole
database by run, and the memory of the serving process.
"""


def write(results: Results) -> None:
    """Write the page and its plots."""
    PLOTS.mkdir(exist_ok=True)
    plotter = peer("matplotlib")
    if plotter.installed:
        script = Path(__file__).parent / "plots.py"
        command = [str(plotter.folder / "bin" / "python"), str(script), str(STORE), str(PLOTS)]
        subprocess.run(command, check=True)
    PAGE.write_text(rendered(results, sorted(path.name for path in PLOTS.glob("*.svg"))))


def rendered(results: Results, plots: Sequence[str] = ()) -> str:
    """The page as text."""
    parts = [
        HEAD,
        f"Measured on {results.setting['remark']}\n" if results.setting.get("remark") else "",
        "## Goals\n",
        _table(("goal", "wanted", "measured", "", "command"), _goals(results)),
        HTTP,
        _plot(plots, "http", "Requests a second at 64 connections"),
        *_by_connections(results, "http ", filled=0),
        LISTS,
        *_by_connections(results, "http list", filled=None),
        APPENDS,
        _plot(plots, "appends", "Events a second by callers"),
        _table(("callers", *STORES), _across(results.of_kind("append"), "callers", STORES)),
        _commands(results.of_kind("append")),
        TAIL,
        *_tails(results),
        REBUILD,
        *_rebuilds(results),
        GROWTH,
        _table(GROWN, map(_grown, grown(results))),
        _commands(results.of_kind("growth")),
        _setting(results),
        FINDINGS.read_text(),
    ]
    return "\n".join(part for part in parts if part)


def _goals(results: Results) -> Iterator[tuple[str, ...]]:
    for goal in GOALS:
        found = goal.of(results)
        wanted = f"{goal.bound} {_number(goal.wanted)}{goal.unit}"
        if found is None:
            yield goal.title, wanted, "", "not measured", ""
        else:
            yield goal.title, wanted, *_verdict(goal, *found)


def _verdict(goal: Goal, found: float, command: str) -> tuple[str, str, str]:
    verdict = "met" if goal.met(found) else "**missed**"
    return f"{_number(found)}{goal.unit}", verdict, f"`{command}`"


def _by_connections(results: Results, kind: str, *, filled: int | None) -> Iterator[str]:
    """A table for each operation and number of runs that are there."""
    pieces = [
        piece
        for piece in results.pieces.values()
        if piece.kind.startswith(kind) and (piece.case["filled"] == 0) is (filled == 0)
    ]
    for named, runs in sorted({(piece.kind, piece.case["filled"]) for piece in pieces}):
        found = [each for each in pieces if (each.kind, each.case["filled"]) == (named, runs)]
        among = f", {runs:,} runs" if runs else ""
        title = named.removeprefix("http ")
        yield f"### {title[0].upper()}{title[1:]}{among}\n"
        there = [name for name in SUBJECTS if any(each.of(name) for each in found)]
        yield _table(("connections", *there), _across(found, "connections", there))
        yield _commands(found)


def _across(
    pieces: Iterable[Piece], key: str, subjects: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    for piece in sorted(pieces, key=lambda each: each.case[key]):
        yield str(piece.case[key]), *(_cell(piece.of(name)) for name in subjects)


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return ""
    errors = f"; **{figure.errors} errors**" if figure.errors else ""
    return f"{figure.per_s:,.0f}/s ({_ms(figure.p50_ms)}, {_ms(figure.p99_ms)}){errors}"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _tails(results: Results) -> Iterator[str]:
    for piece in results.of_kind("tail"):
        rows = [
            (each.subject, f"{each.per_s:,.0f}", _ms(each.p50_ms), _ms(each.p99_ms), _lost(each))
            for each in piece.figures
        ]
        yield _table(("store", "events read a second", "p50 ms", "p99 ms", "events lost"), rows)
        yield _commands([piece])


def _lost(figure: Figure) -> str:
    lost = figure.more["lost"]
    return f"**{lost:,}**" if lost else "0"


def _rebuilds(results: Results) -> Iterator[str]:
    for piece in results.of_kind("rebuild"):
        rows = [
            (
                each.subject,
                f"{each.more['events']:,}",
                f"{each.more['elapsed_s']:.1f}",
                f"{each.per_s:,.0f}",
                f"{each.more['rows']:,}" if "rows" in each.more else "",
                str(each.more.get("wrong", "")),
            )
            for each in piece.figures
        ]
        yield _table(("store", "events", "seconds", "events a second", "rows", "wrong"), rows)
        yield _commands([piece])


GROWN = ("runs", "events", "append", "status", "list", "list filtered", "bytes a run", "memory MiB")


def _grown(piece: Piece) -> tuple[str, ...]:
    appended, status = piece.of("append"), piece.of("status")
    assert appended is not None
    assert status is not None
    return (
        f"{piece.case['runs']:,}",
        f"{appended.more['events']:,}",
        *(_cell(piece.of(name)) for name in ("append", "status", "list", "list filtered")),
        f"{appended.more['bytes_a_run']:,}",
        f"{status.more['memory_mib']:.0f}",
    )


def _setting(results: Results) -> str:
    setting = results.setting
    peers = ", ".join(f"{each.name} {each.version}" for each in PEERS_BY_NAME.values())
    commits = sorted({piece.commit for piece in results.pieces.values()})
    days = sorted({piece.at[:10] for piece in results.pieces.values()})
    return f"""## How to repeat

Use a quiet machine.

| command | measures |
| --- | --- |
| `make bench` | Flowledger beside the limits of the machine, and renders this page |
| `make bench-peers` | the peers too; installs them in `.cache/peers`, each in its own environment |
| `make bench-smoke` | three ratios in a minute, as CI does; fails below half of a goal |
| a command under a table | that table; `--peers` needs `make bench-peers` once before |

Measured on {", ".join(days)} at {", ".join(f"`{each}`" for each in commits)}.

- Machine: {_listed(setting.get("machine", {}))}
- Versions: {_listed(setting.get("versions", {}))}
- Postgres, the same for all: {_listed(setting.get("postgres", {}))}
- Peers: {peers}
"""


def _listed(named: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in named.items())


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _plot(plots: Sequence[str], name: str, title: str) -> str:
    return f"![{title}]({PLOTS.name}/{name}.svg)\n" if f"{name}.svg" in plots else ""


def _commands(pieces: Iterable[Piece]) -> str:
    commands = sorted({piece.command for piece in pieces})
    return "".join(f"    {command}\n" for command in commands)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
