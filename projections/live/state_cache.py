"""What a read model's rows hold, remembered while nobody else can have changed them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from events.database import load
from events.envelope import Event
from projections.columns import columns_of
from projections.projection import Key, Projection, States, run_key
from projections.results import Document

KEPT: Final = 4_000
"""States remembered between batches; a run that comes back later is read again."""

NEWBORN: Final = 256
"""Beside them, runs that have only been queued.

So a burst of starts pushes out no run that is under way, and lets go of its own soon, while they
are in the processor's cache: kept as long as the others they make a start a tenth dearer.
"""

READ_TIMEOUT_S: Final = 60.0


class Memory:
    """The states of a read model's rows, those changed last at hand; forgets all when in doubt."""

    def __init__(self, projection: Projection, *, kept: int = KEPT, newborn: int = NEWBORN) -> None:
        self.states: States = {}
        self._newborn: dict[Key, None] = {}
        self._projection = projection
        self._most = kept
        self._most_newborn = newborn

    async def recall(self, connection: Any, events: Iterable[Event]) -> None:  # noqa: ANN401
        """Have at hand every state that these events go on with, reading what is missing."""
        missing = self._missing(events)
        if not missing:
            return
        rows = await connection.fetch(
            load(self._projection.folder, "load"), *columns_of(missing, 3), timeout=READ_TIMEOUT_S
        )
        self.states.update(dict.fromkeys(missing))
        for row in rows:
            self.states[row["kind"], row["tenant"], row["name"]] = self._projection.revive(row)

    def _missing(self, events: Iterable[Event]) -> dict[Key, None]:
        states, newborn, missing = self.states, self._newborn, dict[Key, None]()
        for event in events:
            for key in self._projection.keys(event):
                if key in states:
                    newborn.pop(key, None)  # it goes on
                elif event.version == 1 and key[0] == "run":
                    states[key] = newborn[key] = None  # its first event: there can be no row
                else:
                    missing[key] = None
        return missing

    def keep(self, changed: Iterable[Key]) -> None:
        """Keep these longest; what was not changed for longest is forgotten first."""
        states, newborn = self.states, self._newborn
        for key in changed:
            if key not in newborn:
                states[key] = states.pop(key)
        for key in _first(newborn, len(newborn) - self._most_newborn):
            del states[key], newborn[key]
        under_way = (key for key in states if key not in newborn)
        for key in _first(under_way, len(states) - len(newborn) - self._most):
            del states[key]

    def shown(self, event: Event) -> Document | None:
        """Show a run as it was after an event, if that is how it is remembered.

        What it holds goes on changing: look at it before anything is awaited.
        """
        state = self.states.get(run_key(event))
        if state is None:
            return None
        document = self._projection.document(state)
        return Document(document) if document["position"] == event.position else None

    def forget(self) -> None:
        """Remember nothing: the rows may be different now."""
        self.states.clear()
        self._newborn.clear()


def _first(keys: Iterable[Key], count: int) -> list[Key]:
    return list(islice(keys, max(0, count)))
