"""The reader of the past: what `Queries` answered when the log ended at a position.

Folds the streams that an answer is about up to there; the whole log is never replayed. Read models
tell only what they can tell of any position they have passed: which run has a number, and which
runs stood in a list.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from events.envelope import Event, Position, Version
from events.store import Log
from events.types import CATALOGUE_STREAM, run_stream
from projections.documents.flow import Flow
from projections.documents.run import micros
from projections.flow_versions import Flows
from projections.projection import Projection, States, fold_event, fold_run
from projections.read_models.executions import PROJECTION as EXECUTIONS
from projections.read_models.executions import read as executions
from projections.read_models.listings import PROJECTION as LISTINGS
from projections.read_models.listings import read as listings
from projections.read_models.listings.read import VersionRange
from projections.read_models.load_plans import PROJECTION as LOAD_PLANS
from projections.read_models.workflows import PROJECTION as WORKFLOWS
from projections.results import Document, Page, Rows
from service.errors import BadRequest, Unavailable, UnknownRun
from service.runs.domain.errors import BrokenStream
from service.runs.read.query_api import Catalogue, Choose, Newest, RowPage, RunFilter, Shelf, Weigh
from service.runs.read.row_pagination import parts, version_ranges, versions_of

FOLDED_AT_ONCE: Final = 100
"""Runs of a page whose events are in memory together."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Reads as `Reads` promises, as of ``position``; ``now_us`` is the moment that counts as now.

    ``look_up`` asks a question of a read model, ``reached`` waits until one has passed a position
    and tells whether it has; ``skipped`` names the positions that an operator had one pass by.
    Every answer is the same whenever it is asked for.
    """

    position: Position
    now_us: int
    log: Log
    flow_versions: Flows
    catalogue: Catalogue
    look_up: Callable[..., Awaitable[Any]]
    reached: Callable[[str, int], Awaitable[bool]]
    skipped: Callable[[str], Awaitable[Collection[Position]]]

    async def execution(self, tenant: str, run_id: str) -> Document:
        """Fold a run's facts. Raises `UnknownRun`."""
        return await self._folded(EXECUTIONS, tenant, run_id)

    async def workflow(self, tenant: str, run_id: str) -> Document:
        """Fold a run's facts with its tasks. Raises `UnknownRun`."""
        return await self._folded(WORKFLOWS, tenant, run_id)

    async def execution_by_number(self, tenant: str, run_number: int) -> Document:
        """Fold a run's facts, found by its number. Raises `UnknownRun`."""
        return await self.execution(tenant, await self._numbered(tenant, run_number))

    async def load_plan(self, tenant: str, run_number: int) -> Document:
        """Fold a run's tree, found by its number. Raises `UnknownRun`."""
        run_id = await self._numbered(tenant, run_number)
        return await self._folded(LOAD_PLANS, tenant, run_id)

    async def latest_execution(self, tenant: str, flow_number: int) -> Document:
        """Fold the facts of the run of a flow that had been queued last. Raises `UnknownRun`."""
        run_id = await self._ask(
            EXECUTIONS.name, executions.latest_as_of, tenant, flow_number, self.position
        )
        if run_id is None:
            raise UnknownRun(flow_number)
        return await self.execution(tenant, run_id)

    async def page(self, tenant: str, fullname: str | None, offset: int, limit: int) -> Page:
        """Fold a page of a tenant's runs (or of one flow's), newest first, and count them."""
        found = await self._ask(
            LISTINGS.name,
            listings.run_ids_as_of,
            tenant,
            fullname,
            position=self.position,
            offset=offset,
            limit=limit,
        )
        return Page(await self._rows(tenant, found.run_ids), found.total, self.position)

    async def scan(self, tenant: str, wanted: RunFilter, *, before: int | None, limit: int) -> Rows:
        """Fold a tenant's runs by filter, newest first, queued before a position.

        Raises:
            BadRequest: by status: which runs stood at one then, only a replay could tell.
        """
        if wanted.status is not None:
            raise BadRequest(
                "a list of the past cannot be filtered by status: runs have moved on since, and"
                " are found by the status they have now; leave status out",
                field="status",
            )
        run_ids = await self._ask(
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
        return Rows(await self._rows(tenant, run_ids), self.position)

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
        """Read a tenant's events (``*``: everybody's) up to the position."""
        return await self.log.read_page(after, limit, tenant, up_to=self.position)

    async def flows(self, tenant: str) -> Rows:
        """Fold a tenant's flows by name, retired ones too."""
        events = await self.log.read_stream(tenant, CATALOGUE_STREAM, up_to=self.position)
        states: States = {}
        for event in without(events, await self.skipped(WORKFLOWS.name)):
            fold_event(WORKFLOWS, states, event, self.flow_versions)
        return Rows([WORKFLOWS.document(states[key]) for key in sorted(states)], self.position)

    async def flow(self, tenant: str, vendor: str, name: str, value: object) -> Flow | None:
        """Find the version, newest then, of the flow that had a vendor's id by then."""
        shelf = await self.catalogue.at(tenant, self.position)
        return shelf.by_id(vendor, name, value)

    async def newest(self, tenant: str, choose: Choose) -> Newest:
        """Fold a tenant's catalogue, and the newest run listed then of each flow chosen from it."""
        shelf = await self.catalogue.at(tenant, self.position)
        run_ids = await self._ask(
            LISTINGS.name, listings.newest_as_of, tenant, choose(shelf), self.position
        )
        rows = await self._rows(tenant, run_ids)
        return Newest(shelf, {row["fullname"]: row for row in rows}, self.position)

    async def flow_version(self, tenant: str, fullname: str, version: int) -> Flow:
        """Read a version of a flow that a run names."""
        return await self.flow_versions.get(tenant, fullname, version)

    async def shelf(self, tenant: str) -> Shelf:
        """Read a tenant's catalogue as it stood."""
        return await self.catalogue.at(tenant, self.position)

    async def row_page(
        self, tenant: str, fullname: str, weigh: Weigh, *, offset: int, limit: int
    ) -> RowPage:
        """Fold a page of a registered flow's list by rows, of which a run may take several."""
        shelf = await self.catalogue.at(tenant, self.position)
        versions = shelf.versions[fullname]
        counted = await self._counted(tenant, fullname, version_ranges(versions, weigh))
        found = list(parts(counted, offset, limit))
        runs = [
            run
            for part in found
            for run in (await self.page(tenant, fullname, part.newer, part.runs)).rows
        ]
        total = sum(count * rows for count, rows in counted)
        skipped = found[0].skipped if found else 0
        return RowPage(runs, skipped, total, self.position, versions_of(versions))

    async def _counted(
        self, tenant: str, fullname: str, found: Sequence[VersionRange]
    ) -> list[tuple[int, int]]:
        """Count the runs of each stretch that were listed then: newest first, with their rows."""
        counted = []
        newer = await self._listed(tenant, fullname, self.position)
        for position, rows in reversed(found):
            older = await self._listed(tenant, fullname, Position(position - 1)) if position else 0
            counted.append((newer - older, rows))
            newer = older
        return counted

    async def _listed(self, tenant: str, fullname: str, queued_by: Position) -> int:
        found = await self._ask(
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

    async def _folded(self, projection: Projection, tenant: str, run_id: str) -> Document:
        events = await self.log.read_stream(tenant, run_stream(run_id), up_to=self.position)
        told = without(events, await self.skipped(projection.name))
        run = await fold_run(projection, told, self.flow_versions)
        if run is None:
            raise UnknownRun(run_id)
        return run

    async def _rows(self, tenant: str, run_ids: Sequence[str]) -> list[Document]:
        rows: list[Document] = []
        skipped = await self.skipped(LISTINGS.name) if run_ids else ()
        for start in range(0, len(run_ids), FOLDED_AT_ONCE):
            keys = [(tenant, run_stream(each)) for each in run_ids[start : start + FOLDED_AT_ONCE]]
            streams = await self.log.read_streams(keys, self.position)
            for _, stream in keys:
                told = without(streams[tenant, stream], skipped)
                row = await fold_run(LISTINGS, told, self.flow_versions)
                if row is None:
                    raise BrokenStream(f"listings names {stream}, which the log does not hold")
                rows.append(row)
        return rows

    async def _numbered(self, tenant: str, run_number: int) -> str:
        key = (tenant, run_number)
        found = await self.look_up(executions.by_run_numbers, [key])
        if key not in found.rows and found.position < self.position:
            found = await self._ask(EXECUTIONS.name, executions.by_run_numbers, [key])
        if key not in found.rows:
            raise UnknownRun(run_number)
        run_id: str = found.rows[key]["run_id"]
        return run_id

    async def _ask(
        self,
        name: str,
        question: Callable[Concatenate[Any, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Ask a read model once it has passed the position: from then on it tells the same."""
        if not await self.reached(name, self.position):
            raise Unavailable(f"the read model {name} has not reached position {self.position}")
        answer: R = await self.look_up(question, *args, **kwargs)
        return answer


def without(events: Iterable[Event], skipped: Collection[Position]) -> list[Event]:
    """Leave out the events at these positions."""
    return [event for event in events if event.position not in skipped]


def micros_or_none(at: datetime | None) -> int | None:
    """Give a time as whole microseconds since 1970, where there is one."""
    return None if at is None else micros(at)
