"""Caches the states of the runs touched last; every append checks the version it starts from."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from events.bodies import RunQueued
from events.codec import decode
from events.envelope import Event, Position
from events.errors import LogError
from events.store import Log
from events.types import RUN_QUEUED, run_stream
from projections.documents.flow import Plan
from projections.errors import ProjectionError
from projections.flow_versions import FlowVersions
from service.dataloader import DataLoader
from service.errors import ServiceError, UnknownRun
from service.runs.domain.state import RunState, fold, initial_state

RUN_CAPACITY: Final = 10_000
"""Runs that have more than their first event."""

NEW_RUN_CAPACITY: Final = 1_000
"""Beside them, runs that were only queued: so a burst of starts evicts no run in progress."""

EVENT_CAPACITY: Final = 1_000_000
"""Events folded into the cached states, all runs together: a state grows with its reports."""

Key = tuple[str, str]
"""A run, by its tenant and its id."""


@dataclass(slots=True)
class CachedRun:
    """A run at a version, and the position of each of its events."""

    plan: Plan
    state: RunState
    positions: array[int]

    def position(self, version: int | None = None) -> Position:
        """Look up the position of a version, by default of the last."""
        return Position(self.positions[(version or len(self.positions)) - 1])

    def version_at(self, position: int) -> int | None:
        """Look up the version at a position; None if no event of this run is there."""
        index = bisect_left(self.positions, position)
        found = index < len(self.positions) and self.positions[index] == position
        return index + 1 if found else None


class UnloadedRun(NamedTuple):
    """A run that was just queued; its event is not decoded before somebody needs it."""

    plan: Plan
    body: bytes
    event_id: str
    position: Position

    def load(self) -> CachedRun:
        """Decode the run's first event."""
        state = initial_state(self.plan, RUN_QUEUED, decode(self.body), self.event_id)
        return CachedRun(self.plan, state, array("q", (self.position,)))


class RunCache:
    """An LRU cache of runs, and the loader that reads those it does not have."""

    def __init__(self, log: Log, flows: FlowVersions) -> None:
        self._log = log
        self._flows = flows
        self._loader: DataLoader[Key, CachedRun | Exception] = DataLoader(self._fetch)
        self._runs: OrderedDict[Key, CachedRun] = OrderedDict()
        self._new_runs: OrderedDict[Key, UnloadedRun] = OrderedDict()
        self._events = 0

    def peek(self, key: Key) -> CachedRun | None:
        """Look a run up in memory; another process may have changed it since."""
        if new_run := self._new_runs.pop(key, None):
            self.put(key, new_run.load())
        run = self._runs.get(key)
        if run is not None:
            self._runs.move_to_end(key)
        return run

    async def read(self, key: Key) -> CachedRun:
        """Read the run from the log as it is now.

        Raises:
            UnknownRun: the tenant has no such run.
            BrokenStream: its events do not follow from each other.
            LogUnavailable: the database does not answer.
        """
        run, _ = await self._loader.get(key) if _is_uuid(key[1]) else (None, None)
        if run is None:
            raise UnknownRun(key[1])
        if isinstance(run, Exception):
            raise run
        return run

    def add_new(self, key: Key, new_run: UnloadedRun) -> None:
        """Add a run that was just appended, unless it has already advanced."""
        if key in self._runs:
            return
        self._new_runs[key] = new_run
        if len(self._new_runs) > NEW_RUN_CAPACITY:
            self._new_runs.popitem(last=False)

    def put(self, key: Key, run: CachedRun) -> None:
        """Cache a run at a version that the log has confirmed."""
        self.evict(key)
        self._runs[key] = run
        self._events += len(run.positions)
        while len(self._runs) > RUN_CAPACITY or self._events > EVENT_CAPACITY:
            _, oldest = self._runs.popitem(last=False)
            self._events -= len(oldest.positions)

    def advance(self, key: Key, run: CachedRun, state: RunState, positions: Iterable[int]) -> None:
        """Advance a run by events that were just appended."""
        self.evict(key)
        run.state = state
        run.positions.extend(positions)
        self.put(key, run)

    def evict(self, key: Key) -> None:
        """Remove a run from memory."""
        self._new_runs.pop(key, None)
        run = self._runs.pop(key, None)
        if run is not None:
            self._events -= len(run.positions)

    async def _fetch(
        self, keys: Sequence[Key]
    ) -> tuple[dict[Key, CachedRun | Exception], Position]:
        streams = {key: (key[0], run_stream(key[1])) for key in keys}
        found = await self._log.read_streams(list(streams.values()))
        runs: dict[Key, CachedRun | Exception] = {}
        for key, stream in streams.items():
            if events := found[stream]:
                # A broken run fails its own callers, not all who share the query.
                try:
                    runs[key] = await self._fold(key[0], events)
                except (ServiceError, LogError, ProjectionError) as error:
                    runs[key] = error
        return runs, Position(0)

    async def _fold(self, tenant: str, events: Sequence[Event]) -> CachedRun:
        queued: RunQueued = events[0].data
        flow = await self._flows.get(tenant, queued["flow"], queued["flow_version"])
        positions = array("q", (event.position for event in events))
        return CachedRun(flow.plan, fold(flow.plan, events), positions)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
