"""A decision under way: the events so far, and the run as they leave it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from events import bodies, types
from events.codec import encode, encode_body
from events.envelope import NewEvent
from projections.documents.flow import Plan
from service.origin import Origin
from service.runs.domain.state import RunState, apply

NewId = Callable[[], str]
"""Makes a lower-case UUID that was never used."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one reported fact, by the version of the event that keeps it."""

    event_id: str
    outcome: Literal["recorded", "duplicate", "refused"]
    version: int | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a command comes to: events for the run's stream, and the run after them.

    ``refusal`` says why the command as a whole was not done; an event may still record that.
    ``slot_freed`` goes to the flow's slot in the same append.
    """

    state: RunState
    events: tuple[NewEvent, ...] = ()
    answers: tuple[Answer, ...] = ()
    refusal: str = ""
    slot_freed: NewEvent | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """What a derived event goes back to: the causing event, and when that happened if reported."""

    event_id: str = ""
    occurred_at: datetime | None = None


NO_CAUSE = Cause()


class Draft:
    """Collects the events of one command on a copy of the run's state."""

    def __init__(
        self,
        plan: Plan,
        state: RunState,
        origin: Origin,
        new_id: NewId,
        metadata: bodies.Metadata,
    ) -> None:
        self.plan = plan
        self.state = state.copy()
        self._new_id = new_id
        self._actor = origin.actor
        self._metadata = metadata
        self._encoded = encode(metadata)
        self._events: list[NewEvent] = []

    def add(self, type_: str, body: bodies.RunBody, cause: Cause = NO_CAUSE) -> Cause:
        """Add an event that the ledger derives, and return it as the cause of what follows from it.

        Raises:
            BrokenStream: the event may not follow, which no decision should come to.
        """
        event = self._derived(type_, encode_body(body), cause)
        apply(self.state, type_, body, self._metadata)
        self._events.append(event)
        return Cause(event.event_id, event.occurred_at)

    def report(
        self, type_: str, body: bodies.RunBody, itself: Cause, key: bodies.ReportKey
    ) -> None:
        """Add an event that keeps the report of a key.

        Raises:
            BrokenStream: the event may not follow, which no decision should come to.
        """
        metadata: bodies.Metadata = {**self._metadata, "report": key}
        event = NewEvent(
            itself.event_id,
            type_,
            encode_body(body),
            self._actor,
            metadata=encode(metadata),
            correlation_id=self.state.root_run,
            occurred_at=itself.occurred_at,
        )
        apply(self.state, type_, body, metadata)
        self._events.append(event)

    def decision(self, answers: tuple[Answer, ...] = (), refusal: str = "") -> Decision:
        """Close the draft; a run of an exclusive flow that it ended frees the flow's slot."""
        return Decision(self.state, tuple(self._events), answers, refusal, self._slot_freed())

    def _slot_freed(self) -> NewEvent | None:
        end = next((e for e in self._events if e.type in types.RUN_ENDS), None)
        if end is None or not self.state.exclusive:
            return None
        freed = encode_body(bodies.SlotFreed(run_id=self.state.run_id))
        return self._derived(types.SLOT_FREED, freed, Cause(end.event_id))

    def _derived(self, type_: str, body: bytes, cause: Cause) -> NewEvent:
        return NewEvent(
            self._new_id(),
            type_,
            body,
            self._actor,
            metadata=self._encoded,
            correlation_id=self.state.root_run,
            causation_id=cause.event_id,
            occurred_at=cause.occurred_at,
        )
