"""Executes starts and retries: one append creates the run, or nothing is written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from events.batcher import Batcher
from events.bodies import SlotFreed, SlotTaken
from events.envelope import AppendRequest, NewEvent, Position, StreamAppend, Version
from events.errors import IdempotencyMismatch, VersionConflict
from events.store import Log
from events.types import CATALOGUE_STREAM, SLOT_TAKEN, run_id_of, run_stream, slot_stream
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
from service.flows.catalogue import Catalogue
from service.runs.domain.commands import Outcome, RetryRun, StartRun
from service.runs.domain.retries import reused_tasks
from service.runs.domain.run_creation import (
    StartRequest,
    is_exclusive,
    queued_body,
    queued_event,
    retry_request,
    slot_taken_event,
    start_request,
)
from service.runs.write.ids import RunNumbers, new_id
from service.runs.write.run_cache import RunCache, UnloadedRun

MAX_ATTEMPTS: Final = 5
"""How often a start is decided anew while the catalogue or the flow's slot keeps changing."""

SLOT_CAPACITY: Final = 10_000
"""Slots of exclusive flows that are cached."""

CheckPayload = Callable[[Flow, Mapping[str, Any]], None]
"""Raises `InvalidPayload` if a payload does not fit the flow's schema."""


class StartHandler:
    """Starts runs, each in its caller's task: no mailbox, as the run does not exist yet.

    Every start expects the version of the tenant's catalogue that it was decided on. So a process
    that has not read the latest flows cannot start an old one.
    """

    def __init__(
        self,
        batcher: Batcher,
        log: Log,
        catalogue: Catalogue,
        *,
        run_cache: RunCache,
        numbers: RunNumbers,
        check_payload: CheckPayload,
    ) -> None:
        self._batcher = batcher
        self._log = log
        self._catalogue = catalogue
        self._run_cache = run_cache
        self._numbers = numbers
        self._check_payload = check_payload
        self._slots = SlotReader(log)

    async def start(self, command: StartRun | RetryRun) -> Outcome:
        """Create the run; a repeat returns the first request's run as it is now.

        Raises:
            UnknownFlow: the tenant has no such flow, or it is retired.
            UnknownRun: the run to retry does not exist.
            UnknownGroup, RunNotFinished, NotRetryable: the run cannot be retried in this scope.
            InvalidPayload: the payload does not fit the flow's current schema.
            FlowBusy: the flow is exclusive and a run of it has not ended.
            FlowChanged: the flow's version is not the one that the scheduled start names.
            IdempotencyKeyReused: the key belongs to a different request.
            Unavailable: the catalogue or the slot kept changing through five attempts.
            LogError: the append failed.
        """
        if isinstance(command, StartRun):
            request = start_request(command)
        else:
            request = await self._retry_request(command)
        try:
            return await self._create(request)
        except IdempotencyMismatch as error:
            raise IdempotencyKeyReused from error
        except (UnknownFlow, InvalidPayload, FlowBusy, UnknownGroup, RunNotFinished, NotRetryable):
            # This may repeat a request that succeeded earlier: then answer with its run.
            if outcome := await self._replay(request):
                return outcome
            raise

    async def _retry_request(self, command: RetryRun) -> StartRequest:
        key = (command.tenant, command.run_id)
        run = self._run_cache.peek(key)
        if run is None or (command.scope and not run.state.has_ended):
            # A cached state proves that a run has ended, but not that it has not.
            run = await self._run_cache.read(key)
        return retry_request(command, run.state)

    async def _create(self, request: StartRequest) -> Outcome:
        flow, catalogue_version = self._find_flow(request) or await self._reload_flow(request)
        run_id, run_number = new_id(), 0
        for _ in range(MAX_ATTEMPTS):
            scope = request.scope
            reused = reused_tasks(flow.plan, request.earlier, scope) if scope else ()
            exclusive = is_exclusive(flow, request)
            slot = await self._expect_free_slot(flow, request) if exclusive else None
            # Taken after all checks, so that a refused start uses up no number.
            run_number = run_number or await self._numbers.next()
            body = queued_body(flow, request, run_id=run_id, run_number=run_number, reused=reused)
            event = queued_event(request, body, new_id())
            append = _append_request(
                request, event, run_id, slot=slot, catalogue_version=catalogue_version
            )
            try:
                appended = await self._batcher.append(append)
            except VersionConflict as conflict:
                if conflict.stream == CATALOGUE_STREAM:
                    flow, catalogue_version = await self._reload_flow(request)
                continue
            position = appended.first_position
            if appended.duplicate:
                return await self._current_outcome(request, position)
            new_run = UnloadedRun(flow.plan, event.body, event.event_id, position)
            self._run_cache.add_new((request.tenant, run_id), new_run)
            return Outcome(run_id, run_number, position, "queued", created_event=appended.events[0])
        raise Unavailable("the flow keeps changing while the run is started; try again")

    def _find_flow(self, request: StartRequest) -> tuple[Flow, Version] | None:
        """Find the current flow, and the version of the catalogue that says so."""
        flow = self._catalogue.find(request.tenant, request.fullname)
        if flow is None:
            return None
        if request.scheduled_start and request.scheduled_start.flow_version != flow.version:
            raise FlowChanged(f"flow {flow.fullname} has version {flow.version} by now; try again")
        self._check_payload(flow, request.payload)
        return flow, self._catalogue.version_of(request.tenant)

    async def _reload_flow(self, request: StartRequest) -> tuple[Flow, Version]:
        await self._catalogue.refresh_soon(request.tenant)
        found = self._find_flow(request)
        if found is None:
            raise UnknownFlow(request.fullname)
        return found

    async def _expect_free_slot(self, flow: Flow, request: StartRequest) -> StreamAppend:
        slot = await self._slots.read(request.tenant, flow.fullname)
        if slot.holder is not None:
            raise FlowBusy(f"flow {flow.fullname} is exclusive and run {slot.holder} has not ended")
        return StreamAppend(slot_stream(flow.fullname), slot.version)

    async def _replay(self, request: StartRequest) -> Outcome | None:
        known = (
            await self._log.find_idempotency_key(request.tenant, request.key)
            if request.key
            else None
        )
        if known is None:
            return None
        if known.fingerprint != request.fingerprint:
            raise IdempotencyKeyReused
        return await self._current_outcome(request, known.first_position)

    async def _current_outcome(self, request: StartRequest, position: Position) -> Outcome:
        """Answer a repeat with the run that was queued at a position, as it is now."""
        first = (await self._log.read(Position(position - 1), 1))[0]
        run = await self._run_cache.read((request.tenant, run_id_of(first.stream) or ""))
        state = run.state
        return Outcome(state.run_id, state.run_number, run.position(), state.status, replayed=True)


def _append_request(
    request: StartRequest,
    event: NewEvent,
    run_id: str,
    *,
    slot: StreamAppend | None,
    catalogue_version: Version,
) -> AppendRequest:
    run = StreamAppend(run_stream(run_id), 0, (event,))
    catalogue = StreamAppend(CATALOGUE_STREAM, catalogue_version)
    if slot is None:
        return AppendRequest(request.tenant, (run, catalogue), request.key, request.fingerprint)
    taken = slot._replace(events=(slot_taken_event(request, event, run_id, new_id()),))
    return AppendRequest(request.tenant, (run, taken, catalogue), request.key, request.fingerprint)


@dataclass(frozen=True, slots=True)
class Slot:
    """The slot of an exclusive flow at a version of its stream; ``holder`` is a run or None."""

    version: Version = Version(0)  # noqa: RUF009 - a number
    holder: str | None = None


class SlotReader:
    """Reads who holds a slot. It caches what it read last, and reads on from there."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._cache: OrderedDict[tuple[str, str], Slot] = OrderedDict()

    async def read(self, tenant: str, fullname: str) -> Slot:
        """Read the current holder of a flow's slot.

        Raises:
            LogUnavailable: the database does not answer.
        """
        key = (tenant, fullname)
        slot = self._cache.pop(key, Slot())
        for event in await self._log.read_stream(tenant, slot_stream(fullname), slot.version):
            body: SlotTaken | SlotFreed = event.data
            taken = event.type == SLOT_TAKEN
            slot = Slot(event.version, body["run_id"] if taken else None)
        self._cache[key] = slot
        if len(self._cache) > SLOT_CAPACITY:
            self._cache.popitem(last=False)
        return slot
