"""The states behind a read model's rows, cached while no other process changes them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from events.database import load
from events.envelope import Event
from projections.projection import Key, Projection, States, run_key
from projections.results import Document, columns_of

CAPACITY: Final = 4_000
"""States cached between batches; a run that was evicted is read from its row again."""

NEW_RUN_CAPACITY: Final = 256
"""Cached besides: runs of which only the first event has been applied.

They have a limit of their own, so that a burst of starts evicts no run in progress. It is small,
so that they are evicted while still in the processor's cache: with the limit of the others, a start
costs a tenth more.
"""

READ_TIMEOUT_S: Final = 60.0


class StateCache:
    """Least recently changed states are evicted first; cleared whenever the rows may differ."""

    def __init__(
        self,
        projection: Projection,
        *,
        capacity: int = CAPACITY,
        new_run_capacity: int = NEW_RUN_CAPACITY,
    ) -> None:
        self.states: States = {}
        self._new_runs: dict[Key, None] = {}
        self._projection = projection
        self._capacity = capacity
        self._new_run_capacity = new_run_capacity

    async def load(self, connection: Any, events: Iterable[Event]) -> None:  # noqa: ANN401
        """Cache every state that folding these events needs; reads the missing ones."""
        missing = self._missing(events)
        if not missing:
            return
        rows = await connection.fetch(
            load(self._projection.folder, "load"), *columns_of(missing, 3), timeout=READ_TIMEOUT_S
        )
        self.states.update(dict.fromkeys(missing))
        for row in rows:
            self.states[row["kind"], row["tenant"], row["name"]] = self._projection.deserialize(row)

    def _missing(self, events: Iterable[Event]) -> dict[Key, None]:
        states, new_runs, missing = self.states, self._new_runs, dict[Key, None]()
        for event in events:
            for key in self._projection.keys(event):
                if key in states:
                    new_runs.pop(key, None)  # a second event: the run is in progress
                elif event.version == 1 and key[0] == "run":
                    states[key] = new_runs[key] = None  # a first event: there can be no row
                else:
                    missing[key] = None
        return missing

    def retain(self, changed: Iterable[Key]) -> None:
        """Mark these states as changed last, and evict down to the capacities."""
        states, new_runs = self.states, self._new_runs
        for key in changed:
            if key not in new_runs:
                states[key] = states.pop(key)
        for key in _first(new_runs, len(new_runs) - self._new_run_capacity):
            del states[key], new_runs[key]
        in_progress = (key for key in states if key not in new_runs)
        for key in _first(in_progress, len(states) - len(new_runs) - self._capacity):
            del states[key]

    def document_after(self, event: Event) -> Document | None:
        """Give a run's document if this event was the last one applied to it; else None.

        The document shares its members with the state: serialise it before the next await.
        """
        state = self.states.get(run_key(event))
        if state is None:
            return None
        document = self._projection.document(state)
        return Document(document) if document["position"] == event.position else None

    def clear(self) -> None:
        """Evict everything: the rows may have changed."""
        self.states.clear()
        self._new_runs.clear()


def _first(keys: Iterable[Key], count: int) -> list[Key]:
    return list(islice(keys, max(0, count)))
