"""The interface that APIs read through: the same for the present and for any past position."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from events.envelope import Event, Position
from projections.documents.flow import Flow, FlowDocument
from projections.documents.run import ExecutionDocument
from projections.documents.task import ListingDocument, WorkflowDocument
from projections.read_models.load_plans.apply import LoadPlan
from projections.results import Page, Rows
from service.flows.catalogue import TenantCatalogue


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows; None does not filter. Created after is inclusive, before is not."""

    fullname: str | None = None
    status: str | None = None
    started_by: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


FlowSelector = Callable[[TenantCatalogue], Sequence[str]]
"""Selects flows of a catalogue, by fullname."""


class LatestRuns(NamedTuple):
    """A catalogue and the latest listed run of some of its flows, all at one position.

    ``runs`` has rows of `listings` by the flow's fullname; a flow without a run has none.
    """

    catalogue: TenantCatalogue
    runs: Mapping[str, ListingDocument]
    position: Position


RowsPerRun = Callable[[Flow], int]
"""Tells how many rows of a list a run of a flow version takes; 0 leaves it out."""


class RowPage(NamedTuple):
    """A page of a flow's list in which a run takes several rows, or none.

    ``runs`` are the rows of `listings` that the page consists of, newest first. ``skipped`` rows of
    the first run precede the page; rows of the last may follow it. ``total`` counts the rows of the
    whole list. ``flows`` has the versions that the runs name.
    """

    runs: Sequence[ListingDocument]
    skipped: int
    total: int
    position: Position
    flows: Mapping[int, Flow]


class QueryApi(Protocol):
    """Reads documents (`projections.documents`). Each method takes the tenant it reads for."""

    @property
    def now_us(self) -> int:
        """The time for all that grows with the clock: microseconds since 1970."""
        ...

    async def execution(self, tenant: str, run_id: str) -> ExecutionDocument:
        """Read a run. Raises `UnknownRun`."""
        ...

    async def workflow(self, tenant: str, run_id: str) -> WorkflowDocument:
        """Read a run with its tasks. Raises `UnknownRun`."""
        ...

    async def execution_by_number(self, tenant: str, run_number: int) -> ExecutionDocument:
        """Read a run by its number. Raises `UnknownRun`."""
        ...

    async def load_plan(self, tenant: str, run_number: int) -> LoadPlan:
        """Read a run's load plan by its number. Raises `UnknownRun`."""
        ...

    async def latest_execution(self, tenant: str, flow_number: int) -> ExecutionDocument:
        """Read the run of a flow that was queued last. Raises `UnknownRun`."""
        ...

    async def page(
        self, tenant: str, fullname: str | None, offset: int, limit: int
    ) -> Page[ListingDocument]:
        """Read a page of a tenant's runs, or of one flow's, newest first, and their number."""
        ...

    async def scan(
        self, tenant: str, wanted: RunFilter, *, before: int | None, limit: int
    ) -> Rows[ListingDocument]:
        """Read a tenant's runs by filter, newest first, queued before a position."""
        ...

    async def history(self, tenant: str, run_id: str, *, after: int, limit: int) -> Sequence[Event]:
        """Read a run's events after a version, in order. Raises `UnknownRun`."""
        ...

    async def events(
        self, tenant: str, after: Position, limit: int
    ) -> tuple[Sequence[Event], Position]:
        """Read a tenant's events, all tenants' for ``*``, and the position to continue after."""
        ...

    async def flows(self, tenant: str) -> Rows[FlowDocument]:
        """Read a tenant's flows by name, including retired ones."""
        ...

    async def flow(self, tenant: str, vendor: str, name: str, value: object) -> Flow | None:
        """Find the latest version of the flow that has or had a vendor's id, even if retired."""
        ...

    async def flow_version(self, tenant: str, fullname: str, version: int) -> Flow:
        """Read the version of a flow that a run names."""
        ...

    async def tenant_catalogue(self, tenant: str) -> TenantCatalogue:
        """Get a tenant's catalogue. It may change: use it before the next await."""
        ...

    async def latest_runs(self, tenant: str, select: FlowSelector) -> LatestRuns:
        """Read a tenant's catalogue, and the latest listed run of each selected flow."""
        ...

    async def row_page(
        self, tenant: str, fullname: str, rows_per_run: RowsPerRun, *, offset: int, limit: int
    ) -> RowPage:
        """Read a page of a registered flow's list by rows, of which a run may take several."""
        ...
