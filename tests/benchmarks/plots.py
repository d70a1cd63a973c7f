"""Plots of what is kept, by matplotlib's own Python: plots.py RESULTS FOLDER."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

# The same figures make the same file.
mpl.rcParams["svg.hashsalt"] = "flowledger"
PLAIN = {"Date": None, "Creator": None}
OPERATIONS = ("start", "status", "cancel")
SUBJECTS = ("bare aiohttp", "flowledger", "Celery Director", "Prefect")


def by_subject(piece: dict) -> dict[str, float]:
    return {figure["subject"]: figure["per_s"] for figure in piece["figures"]}


def http(pieces: list[dict], folder: Path) -> None:
    found = {
        piece["kind"].removeprefix("http "): by_subject(piece)
        for piece in pieces
        if piece["kind"].startswith("http ") and piece["case"] == {"connections": 64, "filled": 0}
    }
    shown = [name for name in OPERATIONS if name in found]
    figure, axes = plt.subplots(figsize=(8, 4))
    for place, subject in enumerate(SUBJECTS):
        at = [row + (place - 1.5) * 0.2 for row in range(len(shown))]
        bars = axes.bar(at, [found[name].get(subject, 0) for name in shown], 0.2, label=subject)
        axes.bar_label(bars, fmt="{:,.0f}", fontsize=7)
    axes.set_xticks(range(len(shown)), shown)
    save(figure, axes, "requests a second", folder / "http.svg")


def appends(pieces: list[dict], folder: Path) -> None:
    found = sorted(
        (piece["case"]["callers"], by_subject(piece))
        for piece in pieces
        if piece["kind"] == "append"
    )
    figure, axes = plt.subplots(figsize=(8, 4))
    for subject in {name: None for _, rates in found for name in rates}:
        points = [(callers, rates[subject]) for callers, rates in found if subject in rates]
        axes.plot(*zip(*points, strict=True), marker="o", label=subject)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("callers")
    save(figure, axes, "events a second", folder / "appends.svg")


def save(figure: plt.Figure, axes: plt.Axes, label: str, file: Path) -> None:
    axes.set_yscale("log")
    axes.set_ylabel(label)
    axes.legend(fontsize=8)
    axes.grid(visible=True, axis="y", alpha=0.3)
    figure.savefig(file, bbox_inches="tight", metadata=PLAIN)
    plt.close(figure)


def main() -> None:
    store, folder = map(Path, sys.argv[1:])
    pieces = list(json.loads(store.read_text())["pieces"].values())
    http(pieces, folder)
    appends(pieces, folder)


if __name__ == "__main__":
    main()
