"""Carries out starts and retries: one append makes the run, or nothing does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from events.envelope import AppendRequest, NewEvent, Position, StreamAppend, Version
from events.errors import IdempotencyMismatch, VersionConflict
from events.store import Log
from events.types import CATALOGUE_STREAM, run_id_of, run_stream, slot_stream
from projections.documents.flow import Flow
from service.errors import (
    FlowBusy,
    FlowChanged,
    IdempotencyKeyReused,
    InvalidPayload,
    NotRetryable,
    RunNotFinished,
    Unavailable,
    UnknownFlow,
    UnknownGroup,
)
from service.ids import new_id
from service.runs.domain.commands import Outcome, RetryRun, StartRun
from service.runs.domain.retry_scope import carried_over
from service.runs.domain.run_creation import (
    Start,
    first_event,
    is_exclusive,
    queued,
    retry_of,
    slot_taken,
    start_of,
)
from service.runs.write.numbers import Numbers
from service.runs.write.run_cache import Newborn, States
from service.runs.write.run_mailbox import TRIES, Batcher
from service.runs.write.slots import Slots

CheckPayload = Callable[[Flow, Mapping[str, Any]], None]
"""Raises `InvalidPayload` where a payload does not fit the flow's schema."""


class Catalogue(Protocol):
    """What needs to be known of the flows."""

    def find(self, tenant: str, fullname: str) -> Flow | None:
        """Find the current version of a flow that is not retired."""
        ...

    def version_of(self, tenant: str) -> Version:
        """Tell the version up to which the tenant's catalogue has been read."""
        ...

    async def look_again(self, tenant: str) -> None:
        """Read on in the tenant's catalogue."""
        ...


class Starter:
    """Starts runs in the caller's own task: nobody else decides about a run that does not exist.

    The batcher takes the starts that wait together; a condition on the tenant's catalogue stream
    keeps a process that has not read the newest flows from starting an old one.
    """

    def __init__(
        self,
        batcher: Batcher,
        log: Log,
        catalogue: Catalogue,
        *,
        states: States,
        numbers: Numbers,
        check_payload: CheckPayload,
    ) -> None:
        self._batcher = batcher
        self._log = log
        self._catalogue = catalogue
        self._states = states
        self._numbers = numbers
        self._check_payload = check_payload
        self._slots = Slots(log)

    async def start(self, command: StartRun | RetryRun) -> Outcome:
        """Make the run, or answer with the one that the same key made before, as it stands now.

        Raises:
            UnknownFlow: the tenant has no such flow, or it is retired.
            UnknownRun: there is no run to retry.
            UnknownGroup, RunNotFinished, NotRetryable: no such part of it can run again.
            InvalidPayload: the payload does not fit the flow's schema as it is now.
            FlowBusy: the flow is exclusive and a run of it has not ended.
            FlowChanged: the flow is not in the version that a firing is of.
            IdempotencyKeyReused: the key was used for a different request.
            Unavailable: the catalogue or the slot kept changing under five tries.
            LogError: the log could not take it.
        """
        start = start_of(command) if isinstance(command, StartRun) else await self._again(command)
        try:
            return await self._make(start)
        except IdempotencyMismatch as error:
            raise IdempotencyKeyReused from error
        except (UnknownFlow, InvalidPayload, FlowBusy, UnknownGroup, RunNotFinished, NotRetryable):
            # What stands in the way now may have come after the first of two equal requests.
            if outcome := await self._replay(start):
                return outcome
            raise

    async def _again(self, command: RetryRun) -> Start:
        key = (command.tenant, command.run_id)
        entry = self._states.guess(key)
        if entry is None or (command.part and not entry.state.has_ended):
            # That a run has ended can be taken from a guess; that it is still open cannot.
            entry = await self._states.read(key)
        return retry_of(command, entry.state)

    async def _make(self, start: Start) -> Outcome:
        flow, seen = self._find(start) or await self._find_anew(start)
        run_id, run_number = new_id(), 0
        for _ in range(TRIES):
            carried = carried_over(flow.plan, start.earlier, start.part)
            slot = await self._free_slot(flow, start) if is_exclusive(flow, start) else None
            # Not before: what is refused uses up no number.
            run_number = run_number or await self._numbers.next()
            body = queued(flow, start, run_id=run_id, run_number=run_number, carried=carried)
            event = first_event(start, body, new_id())
            request = _request(start, event, run_id, slot=slot, seen=seen)
            try:
                appended = await self._batcher.append(request)
            except VersionConflict as conflict:
                if conflict.stream == CATALOGUE_STREAM:
                    flow, seen = await self._find_anew(start)
                continue
            position = appended.first_position
            if appended.duplicate:
                return await self._as_it_stands(start, position)
            newborn = Newborn(flow.plan, event.body, event.event_id, position)
            self._states.bear((start.tenant, run_id), newborn)
            return Outcome(run_id, run_number, position, "queued", born=appended.events[0])
        raise Unavailable("the flow changes too quickly; try again")

    def _find(self, start: Start) -> tuple[Flow, Version] | None:
        """Find the flow, and the version of the catalogue at which it is the current one."""
        flow = self._catalogue.find(start.tenant, start.fullname)
        if flow is None:
            return None
        if start.firing and start.firing.flow_version != flow.version:
            raise FlowChanged(f"flow {flow.fullname} is at version {flow.version} now")
        self._check_payload(flow, start.payload)
        return flow, self._catalogue.version_of(start.tenant)

    async def _find_anew(self, start: Start) -> tuple[Flow, Version]:
        await self._catalogue.look_again(start.tenant)
        found = self._find(start)
        if found is None:
            raise UnknownFlow(start.fullname)
        return found

    async def _free_slot(self, flow: Flow, start: Start) -> StreamAppend:
        """Read the flow's slot: where it stands, and that it is free."""
        slot = await self._slots.read(start.tenant, flow.fullname)
        if slot.holder is not None:
            raise FlowBusy(f"flow {flow.fullname} is exclusive and run {slot.holder} has not ended")
        return StreamAppend(slot_stream(flow.fullname), slot.version)

    async def _replay(self, start: Start) -> Outcome | None:
        known = await self._log.find_key(start.tenant, start.key) if start.key else None
        if known is None:
            return None
        if known.fingerprint != start.fingerprint:
            raise IdempotencyKeyReused
        return await self._as_it_stands(start, known.first_position)

    async def _as_it_stands(self, start: Start, position: Position) -> Outcome:
        first = (await self._log.read(Position(position - 1), 1))[0]
        entry = await self._states.read((start.tenant, run_id_of(first.stream) or ""))
        state = entry.state
        return Outcome(
            state.run_id, state.run_number, entry.position(), state.status, replayed=True
        )


def _request(
    start: Start, event: NewEvent, run_id: str, *, slot: StreamAppend | None, seen: Version
) -> AppendRequest:
    run = StreamAppend(run_stream(run_id), 0, (event,))
    catalogue = StreamAppend(CATALOGUE_STREAM, seen)
    if slot is None:
        return AppendRequest(start.tenant, (run, catalogue), start.key, start.fingerprint)
    taken = slot._replace(events=(slot_taken(start, event, run_id, new_id()),))
    return AppendRequest(start.tenant, (run, taken, catalogue), start.key, start.fingerprint)
