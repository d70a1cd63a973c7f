"""What was measured, kept as JSON: a piece is measured whole, and replaces what it was before."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.load import Measured

STORE = Path(__file__).parents[2] / "docs" / "reference" / "performance.json"


@dataclass(frozen=True)
class Figure:
    """One subject's rounds in a piece: the median of their rates, the quantiles of all."""

    subject: str
    per_s: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    errors: int = 0
    rounds_per_s: list[float] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    """What a piece has beside: events lost, wrong rows, bytes."""


@dataclass(frozen=True)
class Piece:
    """Subjects measured in turns, in one run: only figures of one piece make a ratio."""

    kind: str
    case: dict[str, Any]
    command: str
    at: str
    commit: str
    figures: tuple[Figure, ...]

    @property
    def name(self) -> str:
        return " ".join([self.kind, *(f"{key}={value}" for key, value in self.case.items())])

    def of(self, subject: str) -> Figure | None:
        return next((each for each in self.figures if each.subject == subject), None)

    def ratio(self, subject: str, other: str) -> float | None:
        """How many times the rate of the other a subject reaches; None where one is missing."""
        mine, theirs = self.of(subject), self.of(other)
        if mine is None or theirs is None or not theirs.per_s:
            return None
        return mine.per_s / theirs.per_s


@dataclass(frozen=True)
class Results:
    """All that is kept: the machine and versions it was measured with, and the pieces by name."""

    setting: dict[str, Any]
    pieces: dict[str, Piece]

    def find(self, kind: str, **case: Any) -> Piece | None:
        """The piece of this kind and case; of several, the one measured last."""
        found = [
            piece
            for piece in self.pieces.values()
            if piece.kind == kind and case.items() <= piece.case.items()
        ]
        return max(found, key=lambda piece: piece.at, default=None)

    def of_kind(self, kind: str) -> list[Piece]:
        return [piece for piece in self.pieces.values() if piece.kind == kind]


def figure(subject: str, rounds: Iterable[Measured], **more: Any) -> Figure:
    """Sum rounds up."""
    taken = list(rounds)
    rates = [measured.per_s for measured in taken]
    every = Measured(latencies=[each for measured in taken for each in measured.latencies])
    return Figure(
        subject,
        statistics.median(rates),
        every.quantile(0.5) * 1000,
        every.quantile(0.99) * 1000,
        sum(measured.errors for measured in taken),
        rates,
        more,
    )


def read(store: Path = STORE) -> Results:
    if not store.exists():
        return Results({}, {})
    found = json.loads(store.read_text())
    pieces = {name: _piece(kept) for name, kept in found["pieces"].items()}
    return Results(found["setting"], pieces)


def _piece(kept: dict[str, Any]) -> Piece:
    return Piece(**kept | {"figures": tuple(Figure(**each) for each in kept["figures"])})


def keep(piece: Piece, setting: dict[str, Any], store: Path = STORE) -> None:
    """Put a piece beside the others, in the place of what it was before."""
    results = read(store)
    pieces = results.pieces | {piece.name: piece}
    _write(Results(results.setting | setting, pieces), store)


def remark(text: str, store: Path = STORE) -> None:
    """Keep what is to be said about the conditions, in the place of what was said before."""
    results = read(store)
    _write(Results(results.setting | {"remark": text}, results.pieces), store)


def _write(results: Results, store: Path) -> None:
    pieces = {name: asdict(results.pieces[name]) for name in sorted(results.pieces)}
    draft = store.with_suffix(".new")
    draft.write_text(json.dumps({"setting": results.setting, "pieces": pieces}, indent=1) + "\n")
    draft.replace(store)
