"""What a read model's rows hold, remembered while nobody else can have changed them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from events.database import load
from events.envelope import Event
from projections.columns import columns_of
from projections.projection import Key, Projection, States

KEPT: Final = 4_000
"""States remembered between batches; a run that comes back later is read again."""

READ_TIMEOUT_S: Final = 60.0


class Memory:
    """The states of a read model's rows, those changed last at hand; forgets all when in doubt."""

    def __init__(self, projection: Projection, *, kept: int = KEPT) -> None:
        self.states: States = {}
        self._projection = projection
        self._kept = kept

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
        states, missing = self.states, dict[Key, None]()
        for event in events:
            for key in self._projection.keys(event):
                if key in states:
                    continue
                if event.version == 1 and key[0] == "run":
                    states[key] = None  # a run's first event: there can be no row
                else:
                    missing[key] = None
        return missing

    def keep(self, changed: Iterable[Key]) -> None:
        """Keep these longest; what was not changed for longest is forgotten first."""
        states = self.states
        for key in changed:
            states[key] = states.pop(key)
        excess = len(states) - self._kept
        if excess > 0:
            for key in list(islice(states, excess)):
                del states[key]

    def forget(self) -> None:
        """Remember nothing: the rows may be different now."""
        self.states.clear()
