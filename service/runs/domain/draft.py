"""Collects the events that a command leads to, and applies each to a copy of the state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from events import bodies, types
from events.codec import encode, encode_body
from events.envelope import NewEvent
from projections.documents.flow import Plan
from service.access import Origin
from service.runs.domain.state import RunState, apply

NewId = Callable[[], str]
"""Makes a new UUID, in lower case."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the decider made of one reported event; ``version`` is that of the stored event."""

    event_id: str
    outcome: Literal["recorded", "duplicate", "refused"]
    version: int | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The events that a command appends to the run's stream, and the state after them.

    ``refusal`` says why the command as a whole was refused, which an event may still record.
    ``slot_freed`` goes to the stream of the flow's slot, in the same append.
    """

    state: RunState
    events: tuple[NewEvent, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    refusal: str = ""
    slot_freed: NewEvent | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """The event that caused a derived one, and when it happened if that was reported."""

    event_id: str = ""
    occurred_at: datetime | None = None


NO_CAUSE = Cause()


class Draft:
    """The events of one command so far, and the run's state after them."""

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
        self._encoded_metadata = encode(metadata)
        self._events: list[NewEvent] = []

    def add(self, type_: str, body: bodies.RunBody, cause: Cause = NO_CAUSE) -> Cause:
        """Add an event that the ledger derives; return it as a cause for others.

        Raises:
            BrokenStream: the state does not allow the event, which is a bug of the decider.
        """
        event = self._derived(type_, encode_body(body), cause)
        apply(self.state, type_, body, self._metadata)
        self._events.append(event)
        return Cause(event.event_id, event.occurred_at)

    def add_report(
        self, type_: str, body: bodies.RunBody, identity: Cause, key: bodies.ReportKey
    ) -> None:
        """Add an event that records a report, or its refusal.

        ``identity`` has the id and the time to store it under.

        Raises:
            BrokenStream: the state does not allow the event, which is a bug of the decider.
        """
        metadata: bodies.Metadata = {**self._metadata, "report": key}
        event = NewEvent(
            identity.event_id,
            type_,
            encode_body(body),
            self._actor,
            metadata=encode(metadata),
            correlation_id=self.state.root_run,
            occurred_at=identity.occurred_at,
        )
        apply(self.state, type_, body, metadata)
        self._events.append(event)

    def decision(self, verdicts: tuple[Verdict, ...] = (), refusal: str = "") -> Decision:
        """Close the draft. If it ended a run of an exclusive flow, that frees the slot."""
        return Decision(self.state, tuple(self._events), verdicts, refusal, self._slot_freed())

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
            metadata=self._encoded_metadata,
            correlation_id=self.state.root_run,
            causation_id=cause.event_id,
            occurred_at=cause.occurred_at,
        )
