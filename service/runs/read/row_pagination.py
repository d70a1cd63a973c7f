"""Lists in which a run takes several rows: which runs a page of rows is made of. Pure.

The runs of a flow's version stand together in the flow's list, from where the version was
registered up to where the next was (`projections.documents.flow.Registered`): what is known of the
versions and of how many runs were queued before each is all that it takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from projections.documents.flow import Flow, Registered
from projections.read_models.listings.read import VersionRange
from service.runs.read.query_api import Weigh


def version_ranges(versions: Sequence[Registered], weigh: Weigh) -> list[VersionRange]:
    """Say from which position on a run takes how many rows; the first begins at 0.

    >>> version_ranges([], len)
    []
    """
    found: list[VersionRange] = []
    for version in versions:
        rows = weigh(version.flow)
        if not found or found[-1].rows != rows:
            found.append(VersionRange(version.position if found else 0, rows))
    return found


def versions_of(versions: Sequence[Registered]) -> Mapping[int, Flow]:
    """Give the versions of a flow by their numbers."""
    return {each.flow.version: each.flow for each in versions}


class Part(NamedTuple):
    """Consecutive runs of a flow's list that have rows in a page.

    ``newer`` runs stand before them in the list; ``skipped`` rows of the first are before the page.
    """

    newer: int
    runs: int
    skipped: int


def parts(counted: Sequence[tuple[int, int]], offset: int, limit: int) -> Iterator[Part]:
    """Find the runs of a page of rows; ``counted`` are the ranges, newest first.

    Each as the number of its runs and the rows that each of them takes.

    >>> list(parts([(2, 3), (9, 0), (5, 1)], 4, 4))
    [Part(newer=1, runs=1, skipped=1), Part(newer=11, runs=2, skipped=0)]
    """
    newer_runs = newer_rows = 0
    for runs, rows in counted:
        first = max(0, offset - newer_rows)
        last = min(runs * rows, offset + limit - newer_rows)
        if last > first:
            yield Part(newer_runs + first // rows, -(-last // rows) - first // rows, first % rows)
        newer_runs += runs
        newer_rows += runs * rows
