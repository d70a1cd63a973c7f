"""Records corrections, beside the chains: as no state forbids one, no version has to be guessed."""

from __future__ import annotations

import hashlib

from events.codec import encode
from events.envelope import AppendRequest, Expected, NewEvent, StreamAppend
from events.errors import IdempotencyMismatch
from events.types import run_stream
from service.errors import BadRequest, IdempotencyKeyReused, TooLarge
from service.ids import new_id
from service.runs.domain.commands import Outcome, RecordCorrection
from service.runs.domain.decider import correct
from service.runs.domain.report_body import MAX_BODY_BYTES
from service.runs.write.run_cache import Entry, States
from service.runs.write.run_mailbox import Batcher


class Corrector:
    """Appends a correction to the run's stream, whatever else is appended to it meanwhile."""

    def __init__(self, batcher: Batcher, states: States) -> None:
        self._batcher = batcher
        self._states = states

    async def record(self, command: RecordCorrection) -> Outcome:
        """Record a correction, or answer with the position of the one that the same key made.

        Raises:
            UnknownRun: the tenant has no such run.
            BadRequest: no event of the run stands at the position.
            TooLarge: the correction says more than an event holds.
            IdempotencyKeyReused: the key was used for a different request.
            LogError: the log could not take it.
        """
        entry, version = await self._find(command)
        decision = correct(entry.plan, entry.state, command, new_id, version=version)
        try:
            appended = await self._batcher.append(_request(command, decision.events))
        except IdempotencyMismatch as error:
            raise IdempotencyKeyReused from error
        self._states.forget((command.tenant, command.run_id))
        return Outcome(
            command.run_id,
            entry.state.run_number,
            appended.first_position,
            entry.state.status,
            replayed=appended.duplicate,
        )

    async def _find(self, command: RecordCorrection) -> tuple[Entry, int]:
        """Find the run, and the version of the event that is corrected: neither can change."""
        key = (command.tenant, command.run_id)
        guess = self._states.guess(key)
        if guess is not None and (version := guess.version_at(command.position)):
            return guess, version
        entry = await self._states.read(key)
        if version := entry.version_at(command.position):
            return entry, version
        raise BadRequest(
            f"no event of this run stands at position {command.position};"
            f" GET /v1/runs/{command.run_id}/history shows its events with their positions",
            field="position",
        )


def _request(command: RecordCorrection, events: tuple[NewEvent, ...]) -> AppendRequest:
    if any(len(event.body) > MAX_BODY_BYTES for event in events):
        raise TooLarge(f"the correction is larger than {MAX_BODY_BYTES} bytes; say less in data")
    stream = StreamAppend(run_stream(command.run_id), Expected.EXISTS, events)
    return AppendRequest(command.tenant, (stream,), *_known_by(command))


def _known_by(command: RecordCorrection) -> tuple[str, bytes]:
    if not command.idempotency_key:
        return "", b""
    said = {
        "command": "RecordCorrection",
        "run_id": command.run_id,
        "position": command.position,
        "reason": command.reason,
        "data": command.data,
    }
    return f"correction/{command.idempotency_key}", hashlib.sha256(encode(said)).digest()
