"""Records corrections. They bypass the run's mailbox, as every state of a run allows them."""

from __future__ import annotations

import hashlib

from events.batcher import Batcher
from events.codec import encode
from events.envelope import AppendRequest, ExpectedVersion, NewEvent, StreamAppend
from events.errors import IdempotencyMismatch
from events.store import Log
from events.types import run_stream
from service.errors import BadRequest, IdempotencyKeyReused, PositionAhead, TooLarge
from service.runs.domain.commands import Outcome, RecordCorrection
from service.runs.domain.decider import correct
from service.runs.domain.report_body import MAX_BODY_BYTES
from service.runs.write.ids import new_id
from service.runs.write.run_cache import CachedRun, RunCache


class CorrectionHandler:
    """Appends a correction to its run's stream, at whatever version that has."""

    def __init__(self, log: Log, batcher: Batcher, run_cache: RunCache) -> None:
        self._log = log
        self._batcher = batcher
        self._run_cache = run_cache

    async def record(self, command: RecordCorrection) -> Outcome:
        """Record a correction; a repeat returns the position of the first one.

        Raises:
            UnknownRun: the tenant has no such run.
            PositionAhead: the position is beyond the end of the log.
            BadRequest: the position is not that of an event of the run.
            TooLarge: the correction exceeds the bound of an event.
            IdempotencyKeyReused: the key belongs to a different request.
            LogError: the append failed.
        """
        run, version = await self._find_corrected(command)
        decision = correct(run.plan, run.state, command, new_id, version=version)
        try:
            appended = await self._batcher.append(_append_request(command, decision.events))
        except IdempotencyMismatch as error:
            raise IdempotencyKeyReused from error
        self._run_cache.evict((command.tenant, command.run_id))
        return Outcome(
            command.run_id,
            run.state.run_number,
            appended.first_position,
            run.state.status,
            replayed=appended.duplicate,
        )

    async def _find_corrected(self, command: RecordCorrection) -> tuple[CachedRun, int]:
        """Find the run, and the version of the corrected event, which no append can change."""
        key = (command.tenant, command.run_id)
        cached = self._run_cache.peek(key)
        if cached is not None and (version := cached.version_at(command.position)):
            return cached, version
        run = await self._run_cache.read(key)
        if version := run.version_at(command.position):
            return run, version
        if command.position > (head := await self._log.head()):
            raise PositionAhead("position", command.position, head)
        raise BadRequest(
            f"no event of this run stands at position {command.position};"
            f" GET /v1/runs/{command.run_id}/history shows its events with their positions",
            field="position",
        )


def _append_request(command: RecordCorrection, events: tuple[NewEvent, ...]) -> AppendRequest:
    if any(len(event.body) > MAX_BODY_BYTES for event in events):
        raise TooLarge(f"the correction is larger than {MAX_BODY_BYTES} bytes; say less in data")
    stream = StreamAppend(run_stream(command.run_id), ExpectedVersion.EXISTS, events)
    return AppendRequest(command.tenant, (stream,), *_idempotency_key_and_fingerprint(command))


def _idempotency_key_and_fingerprint(command: RecordCorrection) -> tuple[str, bytes]:
    if not command.idempotency_key:
        return "", b""
    fingerprint_input = {
        "command": "RecordCorrection",
        "run_id": command.run_id,
        "position": command.position,
        "reason": command.reason,
        "data": command.data,
    }
    fingerprint = hashlib.sha256(encode(fingerprint_input)).digest()
    return f"correction/{command.idempotency_key}", fingerprint
