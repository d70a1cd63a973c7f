"""Reads histories: what each event of a run changed, and the audit trail of the ledger."""

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
from projections.documents.lifecycle import RUN_ENDED
from projections.flow_versions import FlowVersions
from projections.live.paused import skipped_events
from projections.projection import KnownFlows, States, fold_event, run_key
from projections.read_models.workflows import PROJECTION as WORKFLOWS
from service.errors import PositionAhead, UnknownRun
from service.runs.read.audit_query import AuditFilter, read_audit_page

REPLAY_BATCH: Final = 500
"""Events per query while a run is replayed from its first event up to the requested page."""

YIELD_EVERY: Final = 200
"""Events after which a replay lets other tasks of the event loop run."""

MAX_CORRECTIONS: Final = 1000
"""Corrections of a run, its first ones, that are joined to the events they correct."""

_TICK: Final = timedelta(microseconds=1)

Render = Callable[[Any], Mapping[str, Any]]
"""How an API renders the document of a run, or of a task."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of the run as an API renders it, before and after an event; None if absent."""

    field: str
    before: Any
    after: Any


@dataclass(slots=True)
class HistoryEntry:
    """An event of a run, the changes that it made, and the corrections of it.

    ``after_end`` tells whether the run had ended before; ``corrects`` is the event that a
    correction corrects.
    """

    event: Event
    changes: Sequence[FieldChange]
    after_end: bool
    corrects: Event | None = None
    corrections: list[Event] = field(default_factory=list)


class RunReplay:
    """Replays a run: folds its events one by one and finds what each changed."""

    def __init__(
        self,
        flows: KnownFlows,
        *,
        render_run: Render,
        render_task: Render,
        skipped: frozenset[Position] = frozenset(),
    ) -> None:
        self._flows = flows
        self._render_run = render_run
        self._render_task = render_task
        self._skipped = skipped
        self._states: States = {}

    def fold(self, event: Event) -> None:
        """Fold the next event. One that the read model was told to skip changes nothing.

        Raises:
            ApplyEventError: this release cannot apply the event.
        """
        if event.type in WORKFLOWS.types and event.position not in self._skipped:
            fold_event(WORKFLOWS, self._states, event, self._flows)

    def step(self, event: Event) -> HistoryEntry:
        """Fold the next event and compare the run before and after it.

        Fields are named as they are rendered: ``tasks[A].status``. The run's position is left out,
        as every event changes it.
        """
        state = self._states.get(run_key(event))
        after_end = state is not None and state.run["status"] in RUN_ENDED
        before = self._rendered(event)
        self.fold(event)
        after = self._rendered(event)
        changes = [
            FieldChange(name, before.get(name), value)
            for name, value in after.items()
            if before.get(name) != value
        ]
        return HistoryEntry(event, changes, after_end)

    def _rendered(self, event: Event) -> dict[str, Any]:
        """Render the run, and those of its tasks that the event can change."""
        state = self._states.get(run_key(event))
        if state is None:
            return {}
        rendered = dict(self._render_run(state.run))
        rendered.pop("position", None)
        for path in _affected_tasks(event, state.tasks):
            for name, value in self._render_task(state.tasks[path]).items():
                rendered[f"tasks[{path}].{name}"] = value
        return rendered


def _affected_tasks(event: Event, tasks: Mapping[str, Any]) -> Iterable[str]:
    if event.version == 1:
        return tasks
    if event.type not in TASK_TYPES:
        return ()
    body: TaskBody = event.data
    return (body["task"],) if body["task"] in tasks else ()


def _corrected_position(correction: Event) -> Position:
    body: CorrectionRecorded = correction.data
    return Position(body["position"])


@dataclass(frozen=True, slots=True)
class AuditWindow:
    """Which events to list: by filter, recorded in a half-open interval; None is unbounded."""

    wanted: AuditFilter
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of the audit trail, newest first: events, each with the flow that it is about.

    ``looked_from`` is the newest position searched; the next page is before ``next_before``.
    """

    entries: Sequence[tuple[Event, str | None]]
    looked_from: Position
    next_before: Position | None


class Audit:
    """Reads the log for auditors."""

    def __init__(
        self, log: Log, pool: Pool, flows: FlowVersions, workflows_version: Callable[[], int]
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
        render_run: Render,
        render_task: Render,
    ) -> list[HistoryEntry]:
        """Read a run's events after a version, with their changes. Raises `UnknownRun`.

        ``up_to`` reads the history as of that position; None as it is now. The replay begins with
        the first event: memory is bounded, time grows with ``after``.
        """
        stream = run_stream(run_id)
        read = partial(self._log.read_stream, tenant, stream, up_to=up_to)
        events = await read(Version(after), limit=limit)
        if not events:
            if not await read(limit=1):
                raise UnknownRun(run_id)
            return []
        run = RunReplay(
            self._flows,
            render_run=render_run,
            render_task=render_task,
            skipped=frozenset(
                await skipped_events(self._log, WORKFLOWS.name, self._workflows_version())
            ),
        )
        await self._fold_before(run, tenant, stream, after)
        entries = await self._replay(run, events)
        await self._join_corrections(entries, up_to)
        return entries

    async def _fold_before(self, run: RunReplay, tenant: str, stream: str, after: int) -> None:
        for version in range(0, after, REPLAY_BATCH):
            limit = min(REPLAY_BATCH, after - version)
            events = await self._log.read_stream(tenant, stream, Version(version), limit=limit)
            await self._flows.load(events)
            for event in events:
                run.fold(event)

    async def _replay(self, run: RunReplay, events: Sequence[Event]) -> list[HistoryEntry]:
        await self._flows.load(events)
        entries = []
        for number, event in enumerate(events, 1):
            entries.append(run.step(event))
            if number % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        return entries

    async def _join_corrections(
        self, entries: Sequence[HistoryEntry], up_to: Position | None
    ) -> None:
        """Link the corrections of the run with the entries that they correct."""
        first = entries[0].event
        found = await self._log.read_stream_of_type(
            first.tenant, first.stream, CORRECTION_RECORDED, limit=MAX_CORRECTIONS
        )
        by_position = {entry.event.position: entry for entry in entries}
        for correction in found:
            if up_to is not None and correction.position > up_to:
                break
            if corrected := by_position.get(_corrected_position(correction)):
                corrected.corrections.append(correction)
        await self._find_corrected(entries)

    async def _find_corrected(self, entries: Sequence[HistoryEntry]) -> None:
        corrections = [entry for entry in entries if entry.event.type == CORRECTION_RECORDED]
        if not corrections:
            return
        positions = {_corrected_position(entry.event) for entry in corrections}
        corrected = {event.position: event for event in await self._log.read_at(list(positions))}
        for entry in corrections:
            entry.corrects = corrected.get(_corrected_position(entry.event))

    async def correction(self, position: int) -> tuple[Event, Event]:
        """Read a recorded correction, and the event that it corrects."""
        (correction,) = await self._log.read_at([Position(position)])
        (corrected,) = await self._log.read_at([_corrected_position(correction)])
        return correction, corrected

    async def audit_page(
        self, window: AuditWindow, *, before: int | None, limit: int, up_to: Position | None = None
    ) -> AuditPage:
        """Read a page of the audit trail, newest first, before a position.

        ``up_to`` reads it as of that position; None as it is now.

        Raises:
            PositionAhead: ``before`` is beyond the end of the log.
        """
        head = await self._log.head() if up_to is None else up_to
        if before is not None and before > head:
            raise PositionAhead("cursor", before, head)
        top = head + 1 if before is None else before
        if window.until is not None:
            top = min(top, await self._log.position_at(window.until - _TICK) + 1)
        after = Position(0)
        if window.since is not None:
            after = await self._log.position_at(window.since - _TICK)
        if after >= top - 1:
            return AuditPage((), Position(max(0, top - 1)), None)
        entries, next_before = await read_audit_page(
            self._pool, after, Position(top), limit, window.wanted
        )
        return AuditPage(entries, Position(top - 1), next_before)
