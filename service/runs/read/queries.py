"""The one reader of the present: every API reads runs, lists, load plans and flows here."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from events.envelope import Event, Position, Version
from events.store import Log
from events.types import run_stream
from projections.documents.flow import Flow, FlowDocument
from projections.documents.lifecycle import RUN_ENDED
from projections.documents.run import ExecutionDocument
from projections.documents.task import ListingDocument, WorkflowDocument
from projections.flow_versions import FlowVersions
from projections.live.runner import Runner
from projections.projection import Projection, fold_run
from projections.read_models.dispatch import read as dispatch
from projections.read_models.dispatch.apply import Dispatch
from projections.read_models.executions import PROJECTION as EXECUTIONS
from projections.read_models.executions import read as executions
from projections.read_models.listings import PROJECTION as LISTINGS
from projections.read_models.listings import read as listings
from projections.read_models.listings.read import Expired
from projections.read_models.load_plans import PROJECTION as LOAD_PLANS
from projections.read_models.load_plans import read as load_plans
from projections.read_models.load_plans.apply import LoadPlan
from projections.read_models.workflows import PROJECTION as WORKFLOWS
from projections.read_models.workflows import read as workflows
from projections.results import LookupResult, Page, Rows
from projections.serving.version_router import VersionRouter
from service.dataloader import DataLoader
from service.errors import PositionAhead, Unavailable, UnknownRun
from service.flows.catalogue import Catalogue, TenantCatalogue
from service.runs.domain.commands import Outcome
from service.runs.read.completion import RunCompletionWaiter
from service.runs.read.positions import ReadModelPositions
from service.runs.read.query_api import FlowSelector, LatestRuns, RowPage, RowsPerRun, RunFilter
from service.runs.read.row_pagination import flows_by_version, version_ranges
from service.runs.read.time_travel import HistoricalQueries, micros_or_none, without_skipped

MAX_ATTEMPTS: Final = 5
"""How often a read is repeated while the catalogue keeps changing."""

K = TypeVar("K", tuple[str, str], tuple[str, int])
D = TypeVar("D")

Lookup = Callable[[Any, Sequence[K]], Awaitable[LookupResult[K, D]]]
"""A function of a ``read`` module that finds documents by their keys in one statement."""


class Queries:
    """Reads documents as they are now. Concurrent look-ups are batched into one query."""

    def __init__(
        self,
        *,
        version_router: VersionRouter,
        positions: ReadModelPositions,
        runner: Runner,
        log: Log,
        flows: FlowVersions,
        run_completion: RunCompletionWaiter,
        catalogue: Catalogue,
    ) -> None:
        self._version_router = version_router
        self._positions = positions
        self._runner = runner
        self._log = log
        self._flows = flows
        self._run_completion = run_completion
        self._catalogue = catalogue
        self._executions = self._loader(executions.by_run_ids)
        self._executions_by_number = self._loader(executions.by_run_numbers)
        self._latest = self._loader(executions.latest)
        self._workflows = self._loader(workflows.by_run_ids)
        self._load_plans = self._loader(load_plans.by_run_numbers)

    def as_of(self, position: Position, now_us: int) -> HistoricalQueries:
        """Get the reader as of a position; ``now_us`` is the moment it treats as the present."""
        return HistoricalQueries(
            position=position,
            now_us=now_us,
            log=self._log,
            flow_versions=self._flows,
            catalogue=self._catalogue,
            version_router=self._version_router,
            positions=self._positions,
        )

    @property
    def now_us(self) -> int:
        """The time for all that grows with the clock: microseconds since 1970."""
        return time.time_ns() // 1000

    def _loader(self, lookup: Lookup[K, D]) -> DataLoader[K, D]:
        async def fetch(keys: Sequence[K]) -> LookupResult[K, D]:
            return await self._version_router.query(lookup, keys)

        return DataLoader(fetch)

    def execution(self, tenant: str, run_id: str) -> Coroutine[Any, Any, ExecutionDocument]:
        """Read a run. Raises `UnknownRun`."""
        return self._by_id(self._executions, EXECUTIONS, tenant, run_id)

    def workflow(self, tenant: str, run_id: str) -> Coroutine[Any, Any, WorkflowDocument]:
        """Read a run with its tasks. Raises `UnknownRun`."""
        return self._by_id(self._workflows, WORKFLOWS, tenant, run_id)

    async def execution_after(self, tenant: str, outcome: Outcome) -> ExecutionDocument:
        """Read the run of a command, as `workflow_after` does, without its tasks."""
        return await self._new_run(EXECUTIONS, outcome) or await self.execution(
            tenant, outcome.run_id
        )

    async def workflow_after(self, tenant: str, outcome: Outcome) -> WorkflowDocument:
        """Read the run of a command: a new run as it was queued, another as it is now.

        The document may change: use it before the next await.
        """
        return await self._new_run(WORKFLOWS, outcome) or await self.workflow(
            tenant, outcome.run_id
        )

    async def _new_run(self, projection: Projection, outcome: Outcome) -> Any:  # noqa: ANN401 - as `fold_run`
        # Folding the event takes less time than a look-up, and mostly the projector has done it.
        if outcome.created_event is None:
            return None
        document = self._runner.document_after(projection, outcome.created_event)
        return document or await fold_run(projection, (outcome.created_event,), self._flows)

    def execution_by_number(
        self, tenant: str, run_number: int
    ) -> Coroutine[Any, Any, ExecutionDocument]:
        """Read a run by its number. Raises `UnknownRun`."""
        return self._by_number(self._executions_by_number, EXECUTIONS, tenant, run_number)

    def load_plan(self, tenant: str, run_number: int) -> Coroutine[Any, Any, LoadPlan]:
        """Read a run's load plan by its number. Raises `UnknownRun`."""
        return self._by_number(self._load_plans, LOAD_PLANS, tenant, run_number)

    def latest_execution(
        self, tenant: str, flow_number: int
    ) -> Coroutine[Any, Any, ExecutionDocument]:
        """Read the run of a flow that was queued last. Raises `UnknownRun`."""
        return self._by_number(self._latest, EXECUTIONS, tenant, flow_number)

    async def wait_until_ended(self, tenant: str, run_id: str) -> ExecutionDocument:
        """Wait for a run to end, without a limit, and read it. Raises `UnknownRun`."""
        with self._run_completion.watch(run_id) as end:
            run = await self._execution_since(self._run_completion.position, tenant, run_id)
            if run["status"] in RUN_ENDED:
                return run
            return await self._execution_since(await end, tenant, run_id)

    async def _execution_since(
        self, position: Position, tenant: str, run_id: str
    ) -> ExecutionDocument:
        if await self._positions.wait_for(EXECUTIONS.name, position):
            return await self.execution(tenant, run_id)
        run: ExecutionDocument = await self._fold_stream(EXECUTIONS, tenant, run_id)
        return run

    async def page(
        self, tenant: str, fullname: str | None, offset: int, limit: int
    ) -> Page[ListingDocument]:
        """Read a page of a tenant's runs, or of one flow's, newest first, and their number."""
        return await self._version_router.query(listings.page, tenant, fullname, offset, limit)

    async def scan(
        self, tenant: str, wanted: RunFilter, *, before: int | None, limit: int
    ) -> Rows[ListingDocument]:
        """Read a tenant's runs by filter, newest first, queued before a position.

        Raises:
            PositionAhead: the position is beyond the end of the log.
        """
        rows = await self._version_router.query(
            listings.list_before,
            tenant,
            fullname=wanted.fullname,
            status=wanted.status,
            started_by=wanted.started_by,
            from_us=micros_or_none(wanted.created_after),
            to_us=micros_or_none(wanted.created_before),
            before=before,
            limit=limit,
        )
        if before is not None and before > rows.position:
            await self._require_reached("cursor", before)
        return rows

    async def _require_reached(self, name: str, position: int) -> None:
        if position > (head := await self._log.head()):
            raise PositionAhead(name, position, head)

    async def history(self, tenant: str, run_id: str, *, after: int, limit: int) -> Sequence[Event]:
        """Read a run's events after a version, in order. Raises `UnknownRun`."""
        stream = run_stream(run_id)
        events = await self._log.read_stream(tenant, stream, Version(after), limit=limit)
        if not events and not await self._log.read_stream(tenant, stream, limit=1):
            raise UnknownRun(run_id)
        return events

    async def events(
        self, tenant: str, after: Position, limit: int
    ) -> tuple[Sequence[Event], Position]:
        """Read a tenant's events, all tenants' for ``*``, and the position to continue after.

        Raises:
            PositionAhead: the position is beyond the end of the log.
        """
        page = await self._log.read_page(after, limit, tenant)
        if not page[0]:
            await self._require_reached("after", after)
        return page

    async def flow(self, tenant: str, vendor: str, name: str, value: object) -> Flow | None:
        """Find the latest version of the flow that has or had a vendor's id, even if retired."""
        return await self._catalogue.look_up_by_id(tenant, vendor, name, value)

    async def latest_runs(self, tenant: str, select: FlowSelector) -> LatestRuns:
        """Read a tenant's catalogue, and the latest listed run of each selected flow.

        The catalogue is as of the position of the runs.

        Raises:
            Unavailable: the catalogue kept changing through five attempts.
        """
        await self._catalogue.refresh(tenant)
        for _ in range(MAX_ATTEMPTS):
            catalogue = self._catalogue.for_tenant(tenant)
            version = catalogue.version
            await self._positions.wait_for(LISTINGS.name, catalogue.position)
            found = await self._version_router.query(listings.newest, tenant, select(catalogue))
            await self._catalogue.refresh(tenant)
            catalogue = self._catalogue.for_tenant(tenant)
            if catalogue.version == version:
                runs = {run["fullname"]: run for run in found.rows}
                return LatestRuns(catalogue, runs, found.position)
        raise Unavailable("the flows keep changing while they are read; try again")

    async def flow_version(self, tenant: str, fullname: str, version: int) -> Flow:
        """Read the version of a flow that a run names."""
        return await self._flows.get(tenant, fullname, version)

    async def tenant_catalogue(self, tenant: str) -> TenantCatalogue:
        """Get a tenant's catalogue from memory. It may change: use it before the next await."""
        return self._catalogue.for_tenant(tenant)

    async def row_page(
        self, tenant: str, fullname: str, rows_per_run: RowsPerRun, *, offset: int, limit: int
    ) -> RowPage:
        """Read a page of a registered flow's list by rows, of which a run may take several.

        Raises:
            Unavailable: the flow kept changing through five attempts.
        """
        for _ in range(MAX_ATTEMPTS):
            versions = tuple(self._catalogue.for_tenant(tenant).versions[fullname])
            found = await self._version_router.query(
                listings.row_page,
                tenant,
                fullname,
                version_ranges(versions, rows_per_run),
                offset=offset,
                limit=limit,
            )
            if found.newest is None or found.newest["flow_version"] <= versions[-1].flow.version:
                flows = flows_by_version(versions)
                return RowPage(found.rows, found.skipped, found.total, found.position, flows)
            # Another process has registered a version of which a run is listed already.
            await self._catalogue.refresh(tenant)
        raise Unavailable("the flow keeps changing while it is read; try again")

    async def flows(self, tenant: str) -> Rows[FlowDocument]:
        """Read a tenant's flows by name, including retired ones."""
        return await self._version_router.query(workflows.flows, tenant)

    async def waiting(self, limit: int) -> list[Dispatch]:
        """Read which runs wait for a worker, in the order in which they were queued."""
        return (await self._version_router.query(dispatch.waiting, limit)).rows

    async def claimed(self) -> list[Dispatch]:
        """Read which runs a worker has claimed."""
        return (await self._version_router.query(dispatch.claimed)).rows

    async def overdue(self) -> list[Dispatch]:
        """Read which runs have exceeded their flow's timeout."""
        return (await self._version_router.query(dispatch.overdue)).rows

    async def expired_runs(self, retained: Sequence[tuple[str, str, int]], limit: int) -> Expired:
        """Read which ended runs exceed the retention of their flow's list.

        ``retained`` has for each flow its tenant, its fullname, and how many runs its list keeps.
        """
        return await self._version_router.query(listings.expired, retained, limit)

    async def _by_id(
        self,
        loader: DataLoader[tuple[str, str], D],
        projection: Projection,
        tenant: str,
        run_id: str,
    ) -> D:
        run, position = await loader.get(key := (tenant, run_id))
        if run is None:
            run, late = await self._retry_lookup(partial(loader.get, key), projection, position)
            run = await self._fold_stream(projection, tenant, run_id) if late else run
        if run is None:
            raise UnknownRun(run_id)
        return run

    async def _by_number(
        self,
        loader: DataLoader[tuple[str, int], D],
        projection: Projection,
        tenant: str,
        number: int,
    ) -> D:
        run, position = await loader.get(key := (tenant, number))
        if run is None:
            run, late = await self._retry_lookup(partial(loader.get, key), projection, position)
            if late:
                # Only the read model maps the number to a stream that could be folded instead.
                raise Unavailable(f"the read model {projection.name} is late; try again")
        if run is None:
            raise UnknownRun(number)
        return run

    async def _retry_lookup(
        self,
        look_up: Callable[[], Awaitable[tuple[D | None, Position]]],
        projection: Projection,
        position: Position,
    ) -> tuple[D | None, bool]:
        """Repeat a look-up once the read model has caught up; tell whether it is still late."""
        head = await self._log.head()
        if position >= head:
            return None, False
        await self._positions.wait_for(projection.name, head)
        run, position = await look_up()
        return run, run is None and position < head

    async def _fold_stream(self, projection: Projection, tenant: str, run_id: str) -> Any:  # noqa: ANN401 - as `fold_run`
        events = await self._log.read_stream(tenant, run_stream(run_id))
        applied = without_skipped(events, await self._positions.skipped(projection.name))
        run = await fold_run(projection, applied, self._flows)
        if run is None:
            raise UnknownRun(run_id)
        return run
