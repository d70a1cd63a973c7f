"""The goals: ratios within one run, on two processors that the load generator shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.benchmarks.figures import Piece, Results

US, BARE, DIRECTOR, PREFECT = "flowledger", "bare aiohttp", "Celery Director", "Prefect"
COPY, INSERT, EVENTSOURCING, EMMETT = "COPY", "INSERT", "eventsourcing", "emmett"

START = 0.25
"""Durable starts at 256 connections, of a bare aiohttp handler."""

STATUS = 0.5
"""Status reads at 64 connections, of a bare aiohttp handler."""

APPEND = 0.5
"""Appends from 256 callers, of a COPY of the same rows."""

COMMON, MANY = 200_000, 1_000_000
"""Runs that are there when lists are read: beside the peers, and by ourselves."""


@dataclass(frozen=True)
class Goal:
    """What was wanted, at least or at most, and how the results tell what was reached."""

    title: str
    wanted: float
    of: Callable[[Results], tuple[float, str] | None]
    """The figure and the command that measured it; None where it was not measured."""
    bound: Literal["at least", "at most"] = "at least"
    unit: str = " times"

    def met(self, found: float) -> bool:
        return found >= self.wanted if self.bound == "at least" else found <= self.wanted


def _ratio(kind: str, other: str, **case: int) -> Callable[[Results], tuple[float, str] | None]:
    """Our rate in times of another's, within one piece."""

    def of(results: Results) -> tuple[float, str] | None:
        piece = results.find(kind, **case)
        ratio = piece.ratio(US, other) if piece else None
        return None if piece is None or ratio is None else (ratio, piece.command)

    return of


def _slower(kind: str, other: str, **case: int) -> Callable[[Results], tuple[float, str] | None]:
    """How many times as long we take as another, within one piece."""
    ratio = _ratio(kind, other, **case)

    def of(results: Results) -> tuple[float, str] | None:
        found = ratio(results)
        return None if found is None else (1 / found[0], found[1])

    return of


def _deep(results: Results) -> tuple[float, str] | None:
    first = results.find("http list", filled=MANY, connections=8)
    deep = results.find("http list deep", filled=MANY, connections=8)
    if first is None or deep is None:
        return None
    return _rate(first, US) / _rate(deep, US), deep.command


def _rate(piece: Piece, subject: str) -> float:
    found = piece.of(subject)
    assert found is not None, f"{subject} is missing in {piece.name}"
    return found.per_s


def _wrong(results: Results) -> tuple[float, str] | None:
    piece = results.find("rebuild")
    found = piece.of(US) if piece else None
    return None if piece is None or found is None else (found.more["wrong"], piece.command)


def _lost(results: Results) -> tuple[float, str] | None:
    piece = results.find("tail")
    found = piece.of(US) if piece else None
    return None if piece is None or found is None else (found.more["lost"], piece.command)


def _visible(results: Results) -> tuple[float, str] | None:
    piece = results.find("visible", events_a_second=2_000)
    found = piece.of(US) if piece else None
    if piece is None or found is None or found.p99_ms is None:
        return None
    return found.p99_ms, piece.command


def _credential(results: Results) -> tuple[float, str] | None:
    piece = results.find("credential")
    return None if piece is None else (1e6 / _rate(piece, US), piece.command)


def grown(results: Results) -> list[Piece]:
    """The pieces of growth, the smallest ledger first."""
    return sorted(results.of_kind("growth"), key=lambda piece: piece.case["runs"])


def _p99_grown(results: Results) -> tuple[float, str] | None:
    pieces = grown(results)
    ends = [piece.of("append") for piece in (pieces[:1] + pieces[-1:])]
    if len(pieces) < 2 or not all(each and each.p99_ms for each in ends):
        return None
    return ends[1].p99_ms / ends[0].p99_ms, pieces[-1].command


def _reads_grown(subject: str) -> Callable[[Results], tuple[float, str] | None]:
    def of(results: Results) -> tuple[float, str] | None:
        pieces = grown(results)
        if len(pieces) < 2:
            return None
        return _rate(pieces[0], subject) / _rate(pieces[-1], subject), pieces[-1].command

    return of


GOALS = (
    Goal(
        "start, 256 connections, of bare aiohttp",
        START,
        _ratio("http start", BARE, connections=256),
    ),
    Goal(
        "start, 256 connections, of Celery Director",
        50,
        _ratio("http start", DIRECTOR, connections=256),
    ),
    Goal("start, 256 connections, of Prefect", 50, _ratio("http start", PREFECT, connections=256)),
    Goal(
        "status by Etlworks' address, 64 connections, of bare aiohttp",
        STATUS,
        _ratio("http status of Etlworks", BARE, connections=64),
    ),
    Goal(
        "status by `/v1`, 64 connections, of bare aiohttp",
        STATUS,
        _ratio("http status", BARE, connections=64),
    ),
    Goal(
        "status, 64 connections, of Celery Director",
        15,
        _ratio("http status", DIRECTOR, connections=64),
    ),
    Goal("status, 64 connections, of Prefect", 75, _ratio("http status", PREFECT, connections=64)),
    Goal(
        "list of 50 among 200,000 runs, of Celery Director",
        10,
        _ratio("http list", DIRECTOR, filled=COMMON, connections=8),
    ),
    Goal(
        "list of 50 among 200,000 runs, of Prefect",
        10,
        _ratio("http list", PREFECT, filled=COMMON, connections=8),
    ),
    Goal("time of page 2,000 among 1,000,000 runs, of page 1", 1.2, _deep, "at most"),
    Goal("append, 256 callers, of COPY", APPEND, _ratio("append", COPY, callers=256)),
    Goal(
        "time of an append, 1 caller, of an INSERT",
        2,
        _slower("append", INSERT, callers=1),
        "at most",
    ),
    Goal(
        "append, 256 callers, of `eventsourcing`", 10, _ratio("append", EVENTSOURCING, callers=256)
    ),
    Goal("events that a tailing reader loses", 0, _lost, "at most", ""),
    Goal(
        "append to visible in all read models at 2,000 events/s, p99",
        50,
        _visible,
        "at most",
        " ms",
    ),
    Goal("rebuild, of `eventsourcing`", 50, _ratio("rebuild", EVENTSOURCING)),
    Goal("rebuild, of emmett", 50, _ratio("rebuild", EMMETT)),
    Goal("time of a rebuild, of a COPY of the same events", 3, _slower("rebuild", COPY), "at most"),
    Goal("rows that a rebuild leaves wrong", 0, _wrong, "at most", ""),
    Goal("append p99 on the largest log, of that on the smallest", 1.5, _p99_grown, "at most"),
    Goal(
        "time of a status read on the largest log, of the smallest",
        1.2,
        _reads_grown("status"),
        "at most",
    ),
    Goal(
        "time of a list on the largest log, of the smallest", 1.2, _reads_grown("list"), "at most"
    ),
    Goal("a credential check", 10, _credential, "at most", " µs"),
)
