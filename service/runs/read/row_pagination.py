"""Pages of lists in which a run takes several rows: which runs a page consists of. Pure.

The runs of a flow version are consecutive in the flow's list: they begin where the version was
registered and end where the next one was (`projections.documents.flow.Registered`). So the versions
and the number of runs queued before each suffice to find a page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from projections.documents.flow import Flow, Registered
from projections.read_models.listings.read import VersionRange
from service.runs.read.query_api import RowsPerRun


def version_ranges(versions: Sequence[Registered], rows_per_run: RowsPerRun) -> list[VersionRange]:
    """List the positions from which a run takes a number of rows; the first is 0.

    >>> version_ranges([], len)
    []
    """
    ranges: list[VersionRange] = []
    for version in versions:
        rows = rows_per_run(version.flow)
        if not ranges or ranges[-1].rows != rows:
            ranges.append(VersionRange(version.position if ranges else 0, rows))
    return ranges


def flows_by_version(versions: Sequence[Registered]) -> Mapping[int, Flow]:
    """Map version numbers to the versions of a flow."""
    return {each.flow.version: each.flow for each in versions}


class RunSlice(NamedTuple):
    """Consecutive runs of a flow's list that have rows in a page.

    ``newer`` runs precede them in the list; ``skipped`` rows of the first precede the page.
    """

    newer: int
    runs: int
    skipped: int


def run_slices(counted: Sequence[tuple[int, int]], offset: int, limit: int) -> Iterator[RunSlice]:
    """Find the runs that a page of rows consists of.

    ``counted`` has the version ranges, newest first: the number of runs, and the rows of each run.

    >>> list(run_slices([(2, 3), (9, 0), (5, 1)], 4, 4))
    [RunSlice(newer=1, runs=1, skipped=1), RunSlice(newer=11, runs=2, skipped=0)]
    """
    newer_runs = newer_rows = 0
    for runs, rows in counted:
        first = max(0, offset - newer_rows)
        last = min(runs * rows, offset + limit - newer_rows)
        if last > first:
            yield RunSlice(
                newer_runs + first // rows, -(-last // rows) - first // rows, first % rows
            )
        newer_runs += runs
        newer_rows += runs * rows
