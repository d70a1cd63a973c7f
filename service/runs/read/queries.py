"""The one reader: every front door reads runs, lists, trees and flows through it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from events.database import translate
from events.envelope import Event, Position, Version
from events.store import Log
from events.types import run_stream
from projections import registry
from projections.documents.flow import Flow
from projections.documents.run import ENDED
from projections.flow_versions import Flows
from projections.live.checkpoints import Checkpoints
from projections.live.paused import skipped_events
from projections.live.runner import Runner
from projections.projection import Projection, fold_run
from projections.read_models.dispatch import read as dispatch
from projections.read_models.executions import PROJECTION as EXECUTIONS
from projections.read_models.executions import read as executions
from projections.read_models.listings import PROJECTION as LISTINGS
from projections.read_models.listings import read as listings
from projections.read_models.listings.read import Expired
from projections.read_models.load_plans import read as load_plans
from projections.read_models.workflows import PROJECTION as WORKFLOWS
from projections.read_models.workflows import read as workflows
from projections.results import Document, LookupResult, Page, Rows
from projections.serving.version_router import Positioned, VersionRouter
from service.dataloader import DataLoader
from service.errors import PositionAhead, PositionNotReached, Unavailable, UnknownRun
from service.runs.domain.commands import Outcome
from service.runs.read.completion import Endings
from service.runs.read.query_api import Catalogue, Choose, Newest, RowPage, RunFilter, Shelf, Weigh
from service.runs.read.row_pagination import version_ranges, versions_of
from service.runs.read.time_travel import Past, micros_or_none, without

SERVED: Final = frozenset({"executions", "workflows", "listings", "load_plans"})
"""The read models that front doors are answered from."""

WAIT_S: Final = 2.0
"""How long an answer waits for a read model to catch up."""

LOOKS: Final = 5
"""How often a catalogue that changes meanwhile is read anew."""

READ_S: Final = 5.0
"""How long a read may take before the database counts as away."""

K = TypeVar("K", tuple[str, str], tuple[str, int])
A = TypeVar("A", bound=Positioned)
P = ParamSpec("P")
R = TypeVar("R")


class Read(Protocol[K]):
    """A read of a read model: many look-ups in one statement."""

    async def __call__(self, connection: Any, keys: Sequence[K], /) -> LookupResult[K]:  # noqa: ANN401 - the driver's
        """Find documents by their keys."""
        ...


class Queries:
    """Reads documents (`projections.documents.run`); look-ups that wait go out together."""

    def __init__(
        self,
        *,
        version_router: VersionRouter,
        runner: Runner,
        checkpoints: Checkpoints,
        log: Log,
        flows: Flows,
        endings: Endings,
        catalogue: Catalogue,
    ) -> None:
        self._version_router = version_router
        self._runner = runner
        self._checkpoints = checkpoints
        self._log = log
        self._flows = flows
        self._endings = endings
        self._catalogue = catalogue
        self._executions = self._gather(executions.by_run_ids)
        self._executions_by_number = self._gather(executions.by_run_numbers)
        self._latest = self._gather(executions.latest)
        self._workflows = self._gather(workflows.by_run_ids)
        self._load_plans = self._gather(load_plans.by_run_numbers)

    def at(self, position: Position, now_us: int) -> Past:
        """Give the reader of the past, as of a position of the log; what counts as now is told."""
        return Past(
            position=position,
            now_us=now_us,
            log=self._log,
            flow_versions=self._flows,
            catalogue=self._catalogue,
            look_up=self._ask_past,
            reached=self.reached,
            skipped=self._skipped,
        )

    @property
    def now_us(self) -> int:
        """The time for all that grows with the clock: microseconds since 1970."""
        return time.time_ns() // 1000

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Any]:
        with translate():
            async with asyncio.timeout(READ_S), self._version_router.connection() as connection:
                yield connection

    async def _ask(
        self,
        question: Callable[Concatenate[Any, P], Awaitable[A]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> A:
        with translate():
            async with asyncio.timeout(READ_S):
                return await self._version_router.query(question, *args, **kwargs)

    async def _ask_past(
        self,
        question: Callable[Concatenate[Any, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        with translate():
            async with asyncio.timeout(READ_S):
                answer: R = await self._version_router.query_immutable(question, *args, **kwargs)
                return answer

    def _gather(self, read: Read[K]) -> DataLoader[K, Document]:
        async def fetch(keys: Sequence[K]) -> LookupResult[K]:
            return await self._ask(read, keys)

        return DataLoader(fetch)

    def execution(self, tenant: str, run_id: str) -> Coroutine[Any, Any, Document]:
        """Read a run's facts. Raises `UnknownRun`."""
        return self._run(self._executions, EXECUTIONS, tenant, run_id)

    def workflow(self, tenant: str, run_id: str) -> Coroutine[Any, Any, Document]:
        """Read a run's facts with its tasks. Raises `UnknownRun`."""
        return self._run(self._workflows, WORKFLOWS, tenant, run_id)

    async def execution_of(self, tenant: str, outcome: Outcome) -> Document:
        """Show the facts of the run of a command, as `workflow_of` does."""
        return await self._begun(EXECUTIONS, outcome) or await self.execution(
            tenant, outcome.run_id
        )

    async def workflow_of(self, tenant: str, outcome: Outcome) -> Document:
        """Show the run of a command: one that it made as it began, another as it stands.

        It is to be shown before anything else is awaited: what it holds may go on changing.
        """
        return await self._begun(WORKFLOWS, outcome) or await self.workflow(tenant, outcome.run_id)

    async def _begun(self, projection: Projection, outcome: Outcome) -> Document | None:
        # Its event is at hand: to fold it takes less than to look the run up, and mostly it was
        # folded here already.
        if outcome.created_event is None:
            return None
        document = self._runner.document_after(projection, outcome.created_event)
        return document or await fold_run(projection, (outcome.created_event,), self._flows)

    def execution_by_number(self, tenant: str, run_number: int) -> Coroutine[Any, Any, Document]:
        """Read a run's facts by its number. Raises `UnknownRun`."""
        return self._numbered(self._executions_by_number, "executions", tenant, run_number)

    def load_plan(self, tenant: str, run_number: int) -> Coroutine[Any, Any, Document]:
        """Read a run's tree by its number. Raises `UnknownRun`."""
        return self._numbered(self._load_plans, "load_plans", tenant, run_number)

    def latest_execution(self, tenant: str, flow_number: int) -> Coroutine[Any, Any, Document]:
        """Read the facts of the run of a flow that was queued last. Raises `UnknownRun`."""
        return self._numbered(self._latest, "executions", tenant, flow_number)

    async def ended(self, tenant: str, run_id: str) -> Document:
        """Wait for a run to end, however long that takes; read its facts. Raises `UnknownRun`."""
        with self._endings.watch(run_id) as end:
            run = await self._as_of(self._endings.position, tenant, run_id)
            if run["status"] in ENDED:
                return run
            return await self._as_of(await end, tenant, run_id)

    async def _as_of(self, position: Position, tenant: str, run_id: str) -> Document:
        if await self.reached(EXECUTIONS.name, position):
            return await self.execution(tenant, run_id)
        return await self._folded(EXECUTIONS, tenant, run_id)

    async def page(self, tenant: str, fullname: str | None, offset: int, limit: int) -> Page:
        """Read a page of a tenant's runs (or of one flow's), newest first, and their number."""
        return await self._ask(listings.page, tenant, fullname, offset, limit)

    async def scan(self, tenant: str, wanted: RunFilter, *, before: int | None, limit: int) -> Rows:
        """Read a tenant's runs by filter, newest first, queued before a position."""
        return await self._ask(
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

    async def history(self, tenant: str, run_id: str, *, after: int, limit: int) -> Sequence[Event]:
        """Read a run's events in order, from behind a version on. Raises `UnknownRun`."""
        stream = run_stream(run_id)
        events = await self._log.read_stream(tenant, stream, Version(after), limit=limit)
        if not events and not await self._log.read_stream(tenant, stream, limit=1):
            raise UnknownRun(run_id)
        return events

    async def events(
        self, tenant: str, after: Position, limit: int
    ) -> tuple[Sequence[Event], Position]:
        """Read a tenant's events (``*``: everybody's), and the position to go on from."""
        return await self._log.read_page(after, limit, tenant)

    async def flow(self, tenant: str, vendor: str, name: str, value: object) -> Flow | None:
        """Find the newest version of the flow that has or had a vendor's id; a retired one too."""
        return await self._catalogue.seek(tenant, vendor, name, value)

    async def newest(self, tenant: str, choose: Choose) -> Newest:
        """Read a tenant's catalogue, and the newest listed run of each flow chosen from it.

        The catalogue is the one that the log held at the position of the runs.

        Raises:
            Unavailable: it changed each of `LOOKS` times that it was looked at.
        """
        await self._catalogue.refresh(tenant)
        for _ in range(LOOKS):
            shelf = self._catalogue.shelf(tenant)
            version = shelf.version
            await self.reached(LISTINGS.name, shelf.position)
            found = await self._ask(listings.newest, tenant, choose(shelf))
            await self._catalogue.refresh(tenant)
            shelf = self._catalogue.shelf(tenant)
            if shelf.version == version:
                return Newest(shelf, {run["fullname"]: run for run in found.rows}, found.position)
        raise Unavailable("the flows keep changing while they are read; try again")

    async def flow_version(self, tenant: str, fullname: str, version: int) -> Flow:
        """Read a version of a flow that a run names."""
        return await self._flows.get(tenant, fullname, version)

    async def shelf(self, tenant: str) -> Shelf:
        """Give a tenant's catalogue as far as it is in memory: it goes on changing."""
        return self._catalogue.shelf(tenant)

    async def row_page(
        self, tenant: str, fullname: str, weigh: Weigh, *, offset: int, limit: int
    ) -> RowPage:
        """Read a page of a registered flow's list by rows, of which a run may take several.

        Raises:
            Unavailable: new versions of the flow came each of `LOOKS` times.
        """
        for _ in range(LOOKS):
            versions = tuple(self._catalogue.shelf(tenant).versions[fullname])
            found = await self._ask(
                listings.row_page,
                tenant,
                fullname,
                version_ranges(versions, weigh),
                offset=offset,
                limit=limit,
            )
            if found.newest is None or found.newest["flow_version"] <= versions[-1].flow.version:
                flows = versions_of(versions)
                return RowPage(found.rows, found.skipped, found.total, found.position, flows)
            # Another process has registered a version, and a run of it is listed already.
            await self._catalogue.refresh(tenant)
        raise Unavailable("the flow keeps changing while it is read; try again")

    async def flows(self, tenant: str) -> Rows:
        """Read a tenant's flows by name, retired ones too."""
        return await self._ask(workflows.flows, tenant)

    async def projections(self) -> list[dict[str, Any]]:
        """Read how far the read models are."""
        async with self._reading() as connection:
            return await registry.status(connection)

    async def waiting(self, limit: int) -> list[Document]:
        """Read which runs wait for a worker, in the order they were queued."""
        return (await self._ask(dispatch.waiting, limit)).rows

    async def claimed(self) -> list[Document]:
        """Read which runs are in a worker's hands."""
        return (await self._ask(dispatch.claimed)).rows

    async def overdue(self) -> list[Document]:
        """Read which runs have outlived their flow's timeout."""
        return (await self._ask(dispatch.overdue)).rows

    async def expired(self, kept: Sequence[tuple[str, str, int]], limit: int) -> Expired:
        """Read which ended runs flows' lists need not keep: tenant, fullname, how many stay."""
        return await self._ask(listings.expired, kept, limit)

    async def visible(self, position: int) -> None:
        """Wait, at most 2 s, until what stands at a position can be read: read your writes."""
        await self._checkpoints.wait(Position(position), SERVED, WAIT_S)

    async def reached(self, name: str, position: int) -> bool:
        """Wait until one read model has passed a position, at most 2 s; a paused one has not."""
        wanted = Position(position)
        await self._checkpoints.wait(wanted, (name,), WAIT_S)
        return not self._checkpoints.lagging(wanted, (name,))

    async def reach(self, position: int) -> None:
        """Wait until every read shows at least this position.

        Raises:
            PositionAhead: the log does not go that far.
            PositionNotReached: a read model did not get there in time, or is paused before it.
        """
        wanted = Position(position)
        if not self._checkpoints.lagging(wanted, SERVED):
            return
        head = await self._log.head()
        if wanted > head:
            raise PositionAhead(f"position {position} is beyond the head of the log, {head}")
        await self._checkpoints.wait(wanted, SERVED, WAIT_S)
        if late := self._checkpoints.lagging(wanted, SERVED):
            raise PositionNotReached(
                f"read models not yet at position {position}: {', '.join(late)}"
            )

    async def _run(
        self,
        gathering: DataLoader[tuple[str, str], Document],
        projection: Projection,
        tenant: str,
        run_id: str,
    ) -> Document:
        run, position = await gathering.get(key := (tenant, run_id))
        if run is None:
            run, late = await self._look_again(gathering, projection.name, key, position)
            if late:
                return await self._folded(projection, tenant, run_id)
        if run is None:
            raise UnknownRun(run_id)
        return run

    async def _numbered(
        self,
        gathering: DataLoader[tuple[str, int], Document],
        name: str,
        tenant: str,
        number: int,
    ) -> Document:
        run, position = await gathering.get(key := (tenant, number))
        if run is None:
            run, late = await self._look_again(gathering, name, key, position)
            if late:
                # Nothing leads from a number to a stream but the read model itself.
                raise Unavailable(f"the read model {name} is late; try again")
        if run is None:
            raise UnknownRun(number)
        return run

    async def _look_again(
        self, gathering: DataLoader[K, Document], name: str, key: K, position: Position
    ) -> tuple[Document | None, bool]:
        """Look for what was not there once the read model is up to date; tell if it is too late."""
        head = await self._log.head()
        if position >= head:
            return None, False
        await self.reached(name, head)
        run, position = await gathering.get(key)
        return run, run is None and position < head

    async def _folded(self, projection: Projection, tenant: str, run_id: str) -> Document:
        events = await self._log.read_stream(tenant, run_stream(run_id))
        told = without(events, await self._skipped(projection.name))
        run = await fold_run(projection, told, self._flows)
        if run is None:
            raise UnknownRun(run_id)
        return run

    async def _skipped(self, name: str) -> Collection[Position]:
        return frozenset(
            await skipped_events(self._log, name, self._version_router.version(name).number)
        )
