"""Time travel: the same reads as `Queries`, as of a past position of the log.

The streams that a result needs are folded up to the position; the whole log is never replayed.
Read models provide only what they know of every position they have reached: which run has a number,
and which runs were in a list.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from events.envelope import Event, Position, Version
from events.store import Log
from events.types import CATALOGUE_STREAM, run_stream
from projections.documents.flow import Flow, FlowDocument
from projections.documents.run import ExecutionDocument, micros
from projections.documents.task import ListingDocument, WorkflowDocument
from projections.flow_versions import FlowVersions
from projections.projection import Projection, States, fold_event, fold_run
from projections.read_models.executions import PROJECTION as EXECUTIONS
from projections.read_models.executions import read as executions
from projections.read_models.listings import PROJECTION as LISTINGS
from projections.read_models.listings import read as listings
from projections.read_models.listings.read import VersionRange
from projections.read_models.load_plans import PROJECTION as LOAD_PLANS
from projections.read_models.load_plans.apply import LoadPlan
from projections.read_models.workflows import PROJECTION as WORKFLOWS
from projections.results import Page, Rows
from projections.serving.version_router import VersionRouter
from service.errors import BadRequest, PositionAhead, Unavailable, UnknownRun
from service.flows.catalogue import Catalogue, TenantCatalogue
from service.runs.domain.errors import BrokenStream
from service.runs.read.positions import ReadModelPositions
from service.runs.read.query_api import FlowSelector, LatestRuns, RowPage, RowsPerRun, RunFilter
from service.runs.read.row_pagination import flows_by_version, run_slices, version_ranges

FOLD_BATCH: Final = 100
"""Runs of a page whose events are in memory at the same time."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricalQueries:
    """Implements `QueryApi` as of ``position``; ``now_us`` is treated as now.

    A result never depends on when it is read.
    """

    position: Position
    now_us: int
    log: Log
    flow_versions: FlowVersions
    catalogue: Catalogue
    version_router: VersionRouter
    positions: ReadModelPositions

    async def execution(self, tenant: str, run_id: str) -> ExecutionDocument:
        """Fold a run. Raises `UnknownRun`."""
        run: ExecutionDocument = await self._fold_stream(EXECUTIONS, tenant, run_id)
        return run

    async def workflow(self, tenant: str, run_id: str) -> WorkflowDocument:
        """Fold a run with its tasks. Raises `UnknownRun`."""
        run: WorkflowDocument = await self._fold_stream(WORKFLOWS, tenant, run_id)
        return run

    async def execution_by_number(self, tenant: str, run_number: int) -> ExecutionDocument:
        """Fold a run, found by its number. Raises `UnknownRun`."""
        return await self.execution(tenant, await self._run_id_of(tenant, run_number))

    async def load_plan(self, tenant: str, run_number: int) -> LoadPlan:
        """Fold a run's load plan, found by its number. Raises `UnknownRun`."""
        run_id = await self._run_id_of(tenant, run_number)
        plan: LoadPlan = await self._fold_stream(LOAD_PLANS, tenant, run_id)
        return plan

    async def latest_execution(self, tenant: str, flow_number: int) -> ExecutionDocument:
        """Fold the run of a flow that was queued last. Raises `UnknownRun`."""
        run_id = await self._query(
            EXECUTIONS.name, executions.latest_as_of, tenant, flow_number, self.position
        )
        if run_id is None:
            raise UnknownRun(flow_number)
        return await self.execution(tenant, run_id)

    async def page(
        self, tenant: str, fullname: str | None, offset: int, limit: int
    ) -> Page[ListingDocument]:
        """Fold a page of a tenant's runs, or of one flow's, newest first, and count them."""
        found = await self._query(
            LISTINGS.name,
            listings.run_ids_as_of,
            tenant,
            fullname,
            position=self.position,
            offset=offset,
            limit=limit,
        )
        return Page(await self._fold_rows(tenant, found.run_ids), found.total, self.position)

    async def scan(
        self, tenant: str, wanted: RunFilter, *, before: int | None, limit: int
    ) -> Rows[ListingDocument]:
        """Fold a tenant's runs by filter, newest first, queued before a position.

        Raises:
            BadRequest: by status, as the read models only know the status that a run has now.
            PositionAhead: the runs were to be queued before a later position.
        """
        self._require_reached("cursor", before or 0)
        if wanted.status is not None:
            raise BadRequest(
                "a list of the past cannot be filtered by status: runs have moved on since, and"
                " are found by the status they have now; leave status out",
                field="status",
            )
        run_ids = await self._query(
            LISTINGS.name,
            listings.list_before_as_of,
            tenant,
            position=self.position,
            fullname=wanted.fullname,
            started_by=wanted.started_by,
            from_us=micros_or_none(wanted.created_after),
            to_us=micros_or_none(wanted.created_before),
            before=before,
            limit=limit,
        )
        return Rows(await self._fold_rows(tenant, run_ids), self.position)

    def _require_reached(self, name: str, position: int) -> None:
        if position > self.position:
            raise PositionAhead(name, position, self.position)

    async def history(self, tenant: str, run_id: str, *, after: int, limit: int) -> Sequence[Event]:
        """Read a run's events up to the position. Raises `UnknownRun`."""
        stream, up_to = run_stream(run_id), self.position
        events = await self.log.read_stream(
            tenant, stream, Version(after), limit=limit, up_to=up_to
        )
        if not events and not await self.log.read_stream(tenant, stream, limit=1, up_to=up_to):
            raise UnknownRun(run_id)
        return events

    async def events(
        self, tenant: str, after: Position, limit: int
    ) -> tuple[Sequence[Event], Position]:
        """Read a tenant's events up to the position, all tenants' for ``*``.

        Raises:
            PositionAhead: they are to come after a later position.
        """
        self._require_reached("after", after)
        return await self.log.read_page(after, limit, tenant, up_to=self.position)

    async def flows(self, tenant: str) -> Rows[FlowDocument]:
        """Fold a tenant's flows by name, including retired ones."""
        events = await self.log.read_stream(tenant, CATALOGUE_STREAM, up_to=self.position)
        states: States = {}
        for event in without_skipped(events, await self.positions.skipped(WORKFLOWS.name)):
            fold_event(WORKFLOWS, states, event, self.flow_versions)
        return Rows([WORKFLOWS.document(states[key]) for key in sorted(states)], self.position)

    async def flow(self, tenant: str, vendor: str, name: str, value: object) -> Flow | None:
        """Find the version, the latest then, of the flow that had a vendor's id by then."""
        return (await self.tenant_catalogue(tenant)).by_id(vendor, name, value)

    async def latest_runs(self, tenant: str, select: FlowSelector) -> LatestRuns:
        """Fold a tenant's catalogue, and the latest run listed then of each selected flow."""
        catalogue = await self.tenant_catalogue(tenant)
        run_ids = await self._query(
            LISTINGS.name, listings.newest_as_of, tenant, select(catalogue), self.position
        )
        rows = await self._fold_rows(tenant, run_ids)
        return LatestRuns(catalogue, {row["fullname"]: row for row in rows}, self.position)

    async def flow_version(self, tenant: str, fullname: str, version: int) -> Flow:
        """Read the version of a flow that a run names."""
        return await self.flow_versions.get(tenant, fullname, version)

    async def tenant_catalogue(self, tenant: str) -> TenantCatalogue:
        """Fold a tenant's catalogue."""
        return await self.catalogue.as_of(tenant, self.position)

    async def row_page(
        self, tenant: str, fullname: str, rows_per_run: RowsPerRun, *, offset: int, limit: int
    ) -> RowPage:
        """Fold a page of a registered flow's list by rows, of which a run may take several."""
        versions = (await self.tenant_catalogue(tenant)).versions[fullname]
        counted = await self._count_runs(tenant, fullname, version_ranges(versions, rows_per_run))
        slices = list(run_slices(counted, offset, limit))
        runs = [
            run
            for each in slices
            for run in (await self.page(tenant, fullname, each.newer, each.runs)).rows
        ]
        total = sum(count * rows for count, rows in counted)
        skipped = slices[0].skipped if slices else 0
        return RowPage(runs, skipped, total, self.position, flows_by_version(versions))

    async def _count_runs(
        self, tenant: str, fullname: str, ranges: Sequence[VersionRange]
    ) -> list[tuple[int, int]]:
        """Count the runs of each range that were listed then, newest first, with their rows."""
        counted = []
        newer = await self._count_listed(tenant, fullname, self.position)
        for position, rows in reversed(ranges):
            older = (
                await self._count_listed(tenant, fullname, Position(position - 1))
                if position
                else 0
            )
            counted.append((newer - older, rows))
            newer = older
        return counted

    async def _count_listed(self, tenant: str, fullname: str, queued_by: Position) -> int:
        found = await self._query(
            LISTINGS.name,
            listings.run_ids_as_of,
            tenant,
            fullname,
            position=self.position,
            offset=0,
            limit=0,
            queued_by=queued_by,
        )
        total: int = found.total
        return total

    async def _fold_stream(self, projection: Projection, tenant: str, run_id: str) -> Any:  # noqa: ANN401 - as `fold_run`
        events = await self.log.read_stream(tenant, run_stream(run_id), up_to=self.position)
        applied = without_skipped(events, await self.positions.skipped(projection.name))
        run = await fold_run(projection, applied, self.flow_versions)
        if run is None:
            raise UnknownRun(run_id)
        return run

    async def _fold_rows(self, tenant: str, run_ids: Sequence[str]) -> list[ListingDocument]:
        rows: list[ListingDocument] = []
        skipped = await self.positions.skipped(LISTINGS.name) if run_ids else ()
        for start in range(0, len(run_ids), FOLD_BATCH):
            keys = [(tenant, run_stream(each)) for each in run_ids[start : start + FOLD_BATCH]]
            streams = await self.log.read_streams(keys, self.position)
            for _, stream in keys:
                applied = without_skipped(streams[tenant, stream], skipped)
                row = await fold_run(LISTINGS, applied, self.flow_versions)
                if row is None:
                    raise BrokenStream(f"listings names {stream}, which the log does not hold")
                rows.append(row)
        return rows

    async def _run_id_of(self, tenant: str, run_number: int) -> str:
        key = (tenant, run_number)
        found = await self.version_router.query_immutable(executions.by_run_numbers, [key])
        if key not in found.rows and found.position < self.position:
            found = await self._query(EXECUTIONS.name, executions.by_run_numbers, [key])
        if key not in found.rows:
            raise UnknownRun(run_number)
        run_id: str = found.rows[key]["run_id"]
        return run_id

    async def _query(
        self,
        name: str,
        read: Callable[Concatenate[Any, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Query a read model once it has reached the position: then the result cannot change."""
        if not await self.positions.wait_for(name, self.position):
            raise Unavailable(f"the read model {name} has not reached position {self.position}")
        return await self.version_router.query_immutable(read, *args, **kwargs)


def without_skipped(events: Iterable[Event], skipped: Collection[Position]) -> list[Event]:
    """Leave out the events that a read model was made to skip."""
    return [event for event in events if event.position not in skipped]


def micros_or_none(at: datetime | None) -> int | None:
    """Convert a time to microseconds since 1970, None to None."""
    return None if at is None else micros(at)
