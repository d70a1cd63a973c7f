"""Runs as this process last saw them: a guess that every append checks."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from events.bodies import RunQueued
from events.codec import decode
from events.envelope import Event, Position
from events.errors import LogError
from events.types import RUN_QUEUED, run_stream
from projections.documents.flow import Plan
from projections.errors import ProjectionError
from projections.flow_versions import Flows
from service.dataloader import Gathering
from service.errors import ServiceError, UnknownRun
from service.runs.domain.state import RunState, born, fold

MOST_RUNS: Final = 10_000
MOST_NEWBORN: Final = 1_000
"""Beside them, runs that were only started: a burst of starts pushes out none that is under way."""

MOST_EVENTS: Final = 1_000_000
"""Events folded into what is kept, all runs together: a state grows with its reports."""

Key = tuple[str, str]
"""A run, by its tenant and its id."""


class Streams(Protocol):
    """What is read of the log."""

    async def read_streams(
        self, keys: Sequence[tuple[str, str]], up_to: Position | None = None
    ) -> Mapping[tuple[str, str], Sequence[Event]]:
        """Read many streams in one query."""
        ...


@dataclass(slots=True)
class Entry:
    """A run at a version, and the position of each of its events."""

    plan: Plan
    state: RunState
    positions: array[int]

    def position(self, version: int | None = None) -> Position:
        """Name the position of a version, without one that of the last."""
        return Position(self.positions[(version or len(self.positions)) - 1])

    def version_at(self, position: int) -> int | None:
        """Name the version at a position, or None where another stream's event stands, or none."""
        index = bisect_left(self.positions, position)
        found = index < len(self.positions) and self.positions[index] == position
        return index + 1 if found else None


class Newborn(NamedTuple):
    """A run that was just started: its `RunQueued`, not read before somebody asks for it."""

    plan: Plan
    body: bytes
    event_id: str
    position: Position

    def grown(self) -> Entry:
        """Read the run."""
        state = born(self.plan, RUN_QUEUED, decode(self.body), self.event_id)
        return Entry(self.plan, state, array("q", (self.position,)))


class States:
    """The states of the runs touched last, read from the log where they are not at hand."""

    def __init__(self, log: Streams, flows: Flows) -> None:
        self._log = log
        self._flows = flows
        self._reads: Gathering[Key, Entry | Exception] = Gathering(self._fetch)
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._newborn: OrderedDict[Key, Newborn] = OrderedDict()
        self._events = 0

    def guess(self, key: Key) -> Entry | None:
        """Give the run as this process last saw it; another may have moved it on since."""
        if newborn := self._newborn.pop(key, None):
            self.keep(key, newborn.grown())
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    async def read(self, key: Key) -> Entry:
        """Read the run as it stands now.

        Raises:
            UnknownRun: the tenant has no such run.
            BrokenStream: its events do not follow from each other.
            LogUnavailable: the database does not answer.
        """
        found, _ = await self._reads.get(key) if _is_uuid(key[1]) else (None, None)
        if found is None:
            raise UnknownRun(key[1])
        if isinstance(found, Exception):
            raise found
        return found

    def bear(self, key: Key, newborn: Newborn) -> None:
        """Keep a run that the log has just got, unless somebody has moved it on meanwhile."""
        if key in self._entries:
            return
        self._newborn[key] = newborn
        if len(self._newborn) > MOST_NEWBORN:
            self._newborn.popitem(last=False)

    def keep(self, key: Key, entry: Entry) -> None:
        """Keep a run at a version that the log has confirmed."""
        self.forget(key)
        self._entries[key] = entry
        self._events += len(entry.positions)
        while len(self._entries) > MOST_RUNS or self._events > MOST_EVENTS:
            _, oldest = self._entries.popitem(last=False)
            self._events -= len(oldest.positions)

    def moved(self, key: Key, entry: Entry, state: RunState, positions: Iterable[int]) -> None:
        """Move a run on by events that were just appended."""
        self.forget(key)
        entry.state = state
        entry.positions.extend(positions)
        self.keep(key, entry)

    def forget(self, key: Key) -> None:
        """Guess no more about a run."""
        self._newborn.pop(key, None)
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._events -= len(entry.positions)

    async def _fetch(self, keys: Sequence[Key]) -> tuple[dict[Key, Entry | Exception], Position]:
        streams = {key: (key[0], run_stream(key[1])) for key in keys}
        found = await self._log.read_streams(list(streams.values()))
        entries: dict[Key, Entry | Exception] = {}
        for key, stream in streams.items():
            if events := found[stream]:
                # One broken run is its own callers' trouble, not that of all who share the query.
                try:
                    entries[key] = await self._entry(key[0], events)
                except (ServiceError, LogError, ProjectionError) as error:
                    entries[key] = error
        return entries, Position(0)

    async def _entry(self, tenant: str, events: Sequence[Event]) -> Entry:
        queued: RunQueued = events[0].data
        flow = await self._flows.get(tenant, queued["flow"], queued["flow_version"])
        positions = array("q", (event.position for event in events))
        return Entry(flow.plan, fold(flow.plan, events), positions)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
