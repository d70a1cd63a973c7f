"""How a long verb shows that it goes on: a bar on standard error, for people alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from tqdm import tqdm

QUIET = click.option("--quiet", is_flag=True, help="Show no progress.")


@contextmanager
def progress(total: int | None, unit: str, *, quiet: bool) -> Iterator[Callable[[int], object]]:
    """Show rate and remaining time of so many units; gives what is called with each step.

    Nothing is shown where standard error is no terminal.
    """
    # None leaves it to tqdm to look for a terminal.
    disable = True if quiet else None
    with tqdm(total=total, unit=unit, unit_scale=True, disable=disable, leave=False) as bar:
        yield bar.update
