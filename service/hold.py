"""Whether the ledger is on hold: it is read, and starts and executes nothing until it is resumed.

A restored copy is served on hold, so that it does not run again what the ledger that it was copied
from has run since. The hold is an event, so all processes know it, and it outlives each of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, NamedTuple
from uuid import uuid4

from events import codec
from events.bodies import LedgerHeld, LedgerResumed
from events.envelope import AppendRequest, Event, ExpectedVersion, NewEvent, StreamAppend
from events.store import Log
from events.types import (
    ADMINISTRATION_STREAM,
    EVERY_TENANT,
    HOLD_TYPES,
    LEDGER_HELD,
    LEDGER_RESUMED,
)
from service.access import Origin, metadata_of
from service.errors import BadRequest, LedgerOnHold, OperationConflict

MAX_REASON: Final = 1000
"""Most characters of a reason."""

_ALL: Final = 2**63 - 1


class Held(NamedTuple):
    """Since when the ledger is on hold, by whom and why."""

    recorded_at: str
    actor: str
    reason: str


class Hold:
    """The hold as one process knows it, folded from the administration stream."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._position = 0
        self._held: Held | None = None
        self._resumed = asyncio.Event()
        self._resumed.set()

    @property
    def held(self) -> Held | None:
        """The hold that is in force; None: there is none."""
        return self._held

    async def load(self) -> None:
        """Read it from the log.

        Raises:
            LogUnavailable: the database does not answer.
        """
        found: list[Event] = []
        for type_ in HOLD_TYPES:
            found += await self._log.read_stream_of_type(
                EVERY_TENANT, ADMINISTRATION_STREAM, type_, limit=_ALL
            )
        self.apply(sorted(found, key=lambda event: event.position))

    def apply(self, events: Iterable[Event]) -> None:
        """Apply new events of the log, in their order; those that are known change nothing."""
        for event in events:
            if event.type in HOLD_TYPES and event.position > self._position:
                self._apply(event)

    def _apply(self, event: Event) -> None:
        self._position = event.position
        if event.type == LEDGER_RESUMED:
            self._held = None
            self._resumed.set()
        else:
            body: LedgerHeld = event.data
            since = event.recorded_at.isoformat(timespec="seconds")
            self._held = Held(since, event.actor, body["reason"])
            self._resumed.clear()

    def require_none(self) -> None:
        """Refuse what a ledger on hold does not do.

        Raises:
            LedgerOnHold: it is on hold.
        """
        if self._held is not None:
            raise LedgerOnHold

    async def until_none(self) -> None:
        """Wait until the ledger is not on hold."""
        await self._resumed.wait()

    async def begin(self, reason: str, origin: Origin) -> None:
        """Put the ledger on hold, unless it is; call `load` first.

        Raises:
            BadRequest: the reason is missing or too long.
            LogUnavailable: the database does not answer.
        """
        if self._held is None:
            body: LedgerHeld = {"reason": _checked(reason)}
            await self._record(LEDGER_HELD, codec.encode_body(body), origin)

    async def end(self, reason: str, origin: Origin) -> None:
        """Let the ledger go on; call `load` first.

        Raises:
            BadRequest: the reason is missing or too long.
            OperationConflict: it is not on hold.
            LogUnavailable: the database does not answer.
        """
        if self._held is None:
            raise OperationConflict("the ledger is not on hold")
        body: LedgerResumed = {"reason": _checked(reason)}
        await self._record(LEDGER_RESUMED, codec.encode_body(body), origin)

    async def _record(self, type_: str, body: bytes, origin: Origin) -> None:
        event = NewEvent(
            event_id=str(uuid4()),
            type=type_,
            body=body,
            actor=origin.actor,
            metadata=codec.encode(metadata_of(origin)),
        )
        stream = StreamAppend(ADMINISTRATION_STREAM, ExpectedVersion.ANY, (event,))
        result = await self._log.append_one(AppendRequest(EVERY_TENANT, (stream,)))
        self.apply(result.events)


def _checked(reason: str) -> str:
    if not reason.strip() or len(reason) > MAX_REASON:
        raise BadRequest(f"give a reason of 1 to {MAX_REASON} characters", field="reason")
    return reason
