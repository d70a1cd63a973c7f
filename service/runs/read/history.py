"""Tells what happened: how a run unfolded event by event, and what was done in the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from events.bodies import CorrectionRecorded, TaskBody
from events.database import Pool
from events.envelope import Event, Position, Version
from events.store import Log
from events.types import CORRECTION_RECORDED, TASK_TYPES, run_stream
from projections.documents.run import ENDED
from projections.flow_versions import Flows
from projections.live.paused import skipped_events
from projections.projection import KnownFlows, States, fold_event, run_key
from projections.read_models.workflows import PROJECTION as WORKFLOWS
from service.errors import UnknownRun
from service.runs.read.audit_query import AuditFilter, read_audit_page

CHUNK: Final = 500
"""Events before a page of a history that are read at a time: its fold begins with the first."""

BREATH: Final = 200
"""Events told before others on the event loop have their turn."""

MOST_CORRECTIONS: Final = 1000
"""Corrections of a run, its first ones, that are shown with what they correct."""

_TICK: Final = timedelta(microseconds=1)

Shown = Mapping[str, Any]
Show = Callable[[Any], Shown]
"""How a front door shows the facts of a run, or of a task."""


@dataclass(frozen=True, slots=True)
class Change:
    """A field of the run as a front door shows it, before and after an event; absent is None."""

    field: str
    before: Any
    after: Any


@dataclass(slots=True)
class Told:
    """An event of a run, what it changed, and what was corrected in it.

    ``after_end``: the run had ended before. ``corrects`` is what a correction is about.
    """

    event: Event
    changes: Sequence[Change]
    after_end: bool
    corrects: Event | None = None
    corrections: list[Event] = field(default_factory=list)


class Unfolding:
    """A run as it unfolds: its events are folded one by one, and what each changed is told."""

    def __init__(
        self,
        flows: KnownFlows,
        *,
        show_run: Show,
        show_task: Show,
        passed_by: frozenset[Position] = frozenset(),
    ) -> None:
        self._flows = flows
        self._show_run = show_run
        self._show_task = show_task
        self._passed_by = passed_by
        self._states: States = {}

    def fold(self, event: Event) -> None:
        """Go on without telling; what the read model was made to skip is passed by here too.

        Raises:
            ApplyEventError: this release cannot apply the event.
        """
        if event.type in WORKFLOWS.types and event.position not in self._passed_by:
            fold_event(WORKFLOWS, self._states, event, self._flows)

    def tell(self, event: Event) -> Told:
        """Go on, and tell what changed. Fields are named as they are shown: ``tasks[A].status``.

        The run's position is left out, which is that of every event.
        """
        state = self._states.get(run_key(event))
        after_end = state is not None and state.run["status"] in ENDED
        before = self._shown(event)
        self.fold(event)
        after = self._shown(event)
        changes = [
            Change(name, before.get(name), value)
            for name, value in after.items()
            if before.get(name) != value
        ]
        return Told(event, changes, after_end)

    def _shown(self, event: Event) -> dict[str, Any]:
        """Show the run, and of its tasks those that the event can have to do with."""
        state = self._states.get(run_key(event))
        if state is None:
            return {}
        shown = dict(self._show_run(state.run))
        shown.pop("position", None)
        for path in _touched(event, state.tasks):
            for name, value in self._show_task(state.tasks[path]).items():
                shown[f"tasks[{path}].{name}"] = value
        return shown


def _touched(event: Event, tasks: Mapping[str, Any]) -> Iterable[str]:
    if event.version == 1:
        return tasks
    if event.type not in TASK_TYPES:
        return ()
    body: TaskBody = event.data
    return (body["task"],) if body["task"] in tasks else ()


def _corrected_by(correction: Event) -> Position:
    body: CorrectionRecorded = correction.data
    return Position(body["position"])


@dataclass(frozen=True, slots=True)
class Window:
    """What to look through: events by filter, recorded within a half-open time; None is open."""

    wanted: AuditFilter
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trail:
    """A page of what was done, newest first: each event with the flow that it is about.

    ``looked_from`` is the newest position looked at; ``next_before`` where the next page begins.
    """

    entries: Sequence[tuple[Event, str | None]]
    looked_from: Position
    next_before: Position | None


class Audit:
    """Reads the log for those who audit it."""

    def __init__(
        self, log: Log, pool: Pool, flows: Flows, workflows_version: Callable[[], int]
    ) -> None:
        self._log = log
        self._pool = pool
        self._flows = flows
        self._workflows_version = workflows_version

    async def history(
        self,
        tenant: str,
        run_id: str,
        *,
        after: int,
        limit: int,
        up_to: Position | None = None,
        show_run: Show,
        show_task: Show,
    ) -> list[Told]:
        """Tell a run's events in order, from behind a version on. Raises `UnknownRun`.

        As it was told when the log ended at ``up_to``; None: as it stands. The fold begins with the
        first event: memory is bounded, time grows with ``after``.
        """
        stream = run_stream(run_id)
        read = partial(self._log.read_stream, tenant, stream, up_to=up_to)
        events = await read(Version(after), limit=limit)
        if not events:
            if not await read(limit=1):
                raise UnknownRun(run_id)
            return []
        run = Unfolding(
            self._flows,
            show_run=show_run,
            show_task=show_task,
            passed_by=frozenset(
                await skipped_events(self._log, WORKFLOWS.name, self._workflows_version())
            ),
        )
        await self._fold_before(run, tenant, stream, after)
        told = await self._tell(run, events)
        await self._join_corrections(told, up_to)
        return told

    async def _fold_before(self, run: Unfolding, tenant: str, stream: str, after: int) -> None:
        for version in range(0, after, CHUNK):
            limit = min(CHUNK, after - version)
            events = await self._log.read_stream(tenant, stream, Version(version), limit=limit)
            await self._flows.prepare(events)
            for event in events:
                run.fold(event)

    async def _tell(self, run: Unfolding, events: Sequence[Event]) -> list[Told]:
        await self._flows.prepare(events)
        told = []
        for number, event in enumerate(events, 1):
            told.append(run.tell(event))
            if number % BREATH == 0:
                await asyncio.sleep(0)
        return told

    async def _join_corrections(self, told: Sequence[Told], up_to: Position | None) -> None:
        """Give corrections what they correct, and what was corrected its corrections."""
        of = told[0].event
        found = await self._log.read_stream_of_type(
            of.tenant, of.stream, CORRECTION_RECORDED, limit=MOST_CORRECTIONS
        )
        by_position = {each.event.position: each for each in told}
        for correction in found:
            if up_to is not None and correction.position > up_to:
                break
            if corrected := by_position.get(_corrected_by(correction)):
                corrected.corrections.append(correction)
        await self._find_corrected(told)

    async def _find_corrected(self, told: Sequence[Told]) -> None:
        correcting = [each for each in told if each.event.type == CORRECTION_RECORDED]
        if not correcting:
            return
        positions = {_corrected_by(each.event) for each in correcting}
        at = {event.position: event for event in await self._log.read_at(list(positions))}
        for each in correcting:
            each.corrects = at.get(_corrected_by(each.event))

    async def correction(self, position: int) -> tuple[Event, Event]:
        """Read a recorded correction, and the event that it corrects."""
        (correction,) = await self._log.read_at([Position(position)])
        (corrected,) = await self._log.read_at([_corrected_by(correction)])
        return correction, corrected

    async def trail(
        self, window: Window, *, before: int | None, limit: int, up_to: Position | None = None
    ) -> Trail:
        """Read what was done, newest first, before a position: one bounded page.

        As of ``up_to``; None: as the log stands.
        """
        top = (await self._log.head() if up_to is None else up_to) + 1
        if before is not None:
            top = min(top, before)
        if window.until is not None:
            top = min(top, await self._log.position_at(window.until - _TICK) + 1)
        after = Position(0)
        if window.since is not None:
            after = await self._log.position_at(window.since - _TICK)
        if after >= top - 1:
            return Trail((), Position(max(0, top - 1)), None)
        entries, next_before = await read_audit_page(
            self._pool, after, Position(top), limit, window.wanted
        )
        return Trail(entries, Position(top - 1), next_before)
