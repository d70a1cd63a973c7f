"""Serialises the commands of each existing run, and batches those that wait into one append."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from events.batcher import Batcher
from events.envelope import AppendRequest, ExpectedVersion, NewEvent, StreamAppend
from events.errors import InvalidEvent, LogError, VersionConflict
from events.types import RUN_FAILED, run_stream, slot_stream
from service.errors import ServiceError, Unavailable
from service.runs.domain.commands import ClaimRun, Outcome, ReportResult
from service.runs.domain.decider import Decision, RunCommand, decide
from service.runs.domain.errors import ClaimLost, RunEnded
from service.runs.domain.retries import AutomaticRetry, automatic_retry, should_retry
from service.runs.write.ids import RunNumbers, new_id
from service.runs.write.number_sequence import NumbersExhausted
from service.runs.write.run_cache import CachedRun, Key, RunCache

MAX_ATTEMPTS: Final = 5
"""How often a command is decided anew while other processes keep changing its run."""

MAX_BATCH_EVENTS: Final = 500
"""Events after which no further command joins a batch."""


@dataclass(frozen=True, slots=True)
class PendingCommand:
    """A command in a mailbox, and the future that its caller awaits."""

    command: RunCommand
    outcome: asyncio.Future[Outcome]

    def resolve(self, outcome: Outcome | Exception) -> None:
        """Give the caller its outcome, unless it was cancelled."""
        if self.outcome.done():
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
            self.outcome.exception()  # marks it retrieved: the caller may be gone
        else:
            self.outcome.set_result(outcome)


_log = logging.getLogger(__name__)

CommandBatch = Sequence[tuple[PendingCommand, Decision]]
"""Commands of one run that go into one append, each with its decision."""


class StaleState(Exception):
    """The state that the commands were decided on is not the run's latest; nothing was written."""


class RunMailboxes:
    """A mailbox for each run with pending commands.

    Commands that arrive while an append is in flight go into the next one, together.
    """

    def __init__(self, batcher: Batcher, run_cache: RunCache, numbers: RunNumbers) -> None:
        self._batcher = batcher
        self._run_cache = run_cache
        self._numbers = numbers
        self._mailboxes: dict[Key, deque[PendingCommand]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, command: RunCommand) -> Outcome:
        """Execute a command. It is executed even if the caller is cancelled.

        Raises:
            UnknownRun: the tenant has no such run.
            RunEnded: a cancel came too late, which is recorded; carries the outcome.
            ClaimLost: the run cannot be claimed at that epoch.
            Unavailable: the run kept changing through five attempts.
            LogError: the append failed.
        """
        pending = PendingCommand(command, asyncio.get_running_loop().create_future())
        key = (command.tenant, command.run_id)
        mailbox = self._mailboxes.get(key)
        if mailbox is None:
            self._mailboxes[key] = deque([pending])
            task = asyncio.create_task(self._drain(key), name=f"run {command.run_id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            mailbox.append(pending)
        return await pending.outcome

    async def close(self) -> None:
        """Wait until all mailboxes are empty."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _drain(self, key: Key) -> None:
        mailbox = self._mailboxes[key]
        try:
            while mailbox:
                await self._process_next(key, mailbox)
        except BaseException:
            for pending in mailbox:
                pending.resolve(Unavailable("the service is stopping; try again"))
            raise
        finally:
            del self._mailboxes[key]

    async def _process_next(self, key: Key, mailbox: deque[PendingCommand]) -> None:
        try:
            await self._process_batch(key, mailbox)
        except (LogError, ServiceError) as error:
            self._run_cache.evict(key)
            for _ in range(1 if isinstance(error, InvalidEvent) else len(mailbox)):
                mailbox.popleft().resolve(error)
        except Exception as error:  # noqa: BLE001 - a bug: its caller gets it, the others go on
            self._run_cache.evict(key)
            mailbox.popleft().resolve(error)

    async def _process_batch(self, key: Key, mailbox: deque[PendingCommand]) -> None:
        """Decide the commands at the front of a mailbox, append their events, resolve them."""
        for attempts_left in reversed(range(MAX_ATTEMPTS)):
            cached = self._run_cache.peek(key)
            run = cached or await self._run_cache.read(key)
            # Last try: submit the first command alone, so an invalid one fails only itself.
            batch = _decide_batch(run, mailbox if attempts_left else [mailbox[0]])
            try:
                await self._append(key, run, batch, latest=cached is None)
            except (StaleState, VersionConflict):
                self._run_cache.evict(key)
            except InvalidEvent:
                # It may mean that another process has just recorded the same report.
                self._run_cache.evict(key)
                if not attempts_left:
                    raise
            else:
                for pending, decision in batch:
                    mailbox.popleft().resolve(_outcome(pending, decision, run))
                return
        raise Unavailable("the run keeps changing while the command is decided; try again")

    async def _append(self, key: Key, run: CachedRun, batch: CommandBatch, *, latest: bool) -> None:
        events = [event for _, decision in batch for event in decision.events]
        state = batch[-1][1].state
        if not events:
            # No append checks the version of a cached state here, so it must have been read.
            if not latest:
                raise StaleState
            self._run_cache.put(key, run)
            return
        retry = await self._automatic_retry(run, batch)
        appended = await self._batcher.append(_append_request(key, run, events, batch, retry))
        if appended.duplicate:
            raise StaleState
        first = appended.first_position
        self._run_cache.advance(key, run, state, range(first, first + len(events)))

    async def _automatic_retry(self, run: CachedRun, batch: CommandBatch) -> AutomaticRetry | None:
        """Build the run that follows if the batch fails this one and its flow has retries left."""
        before = run.state
        for pending, decision in batch:
            if should_retry(run.plan, before, decision.state):
                return await self._build_retry(run, pending, decision)
            before = decision.state
        return None

    async def _build_retry(
        self, run: CachedRun, pending: PendingCommand, decision: Decision
    ) -> AutomaticRetry | None:
        try:
            run_number = await self._numbers.next()
        except NumbersExhausted:
            # Record the failure all the same: it must not wait for a new ledger.
            _log.exception("run %s is not retried", decision.state.run_id)
            return None
        return automatic_retry(
            run.plan,
            decision.state,
            next(event for event in decision.events if event.type == RUN_FAILED),
            origin=pending.command.origin,
            run_number=run_number,
            new_id=new_id,
        )


def _decide_batch(
    run: CachedRun, commands: Iterable[PendingCommand]
) -> list[tuple[PendingCommand, Decision]]:
    batch: list[tuple[PendingCommand, Decision]] = []
    state, events = run.state, 0
    for pending in commands:
        try:
            decision = decide(run.plan, state, pending.command, new_id)
        except Exception:
            if batch:
                break  # append those before it; in the next batch it is first and fails alone
            raise
        batch.append((pending, decision))
        state, events = decision.state, events + len(decision.events)
        if events >= MAX_BATCH_EVENTS:
            break
    return batch


def _append_request(
    key: Key,
    run: CachedRun,
    events: Sequence[NewEvent],
    batch: CommandBatch,
    retry: AutomaticRetry | None,
) -> AppendRequest:
    tenant, run_id = key
    streams = [StreamAppend(run_stream(run_id), run.state.version, tuple(events))]
    slot = [decision.slot_freed for _, decision in batch if decision.slot_freed]
    if retry is not None:
        # In the same append: if the process dies now, both are recorded or neither is.
        streams.append(StreamAppend(run_stream(retry.run_id), 0, (retry.queued,)))
        slot += [retry.slot_taken] if retry.slot_taken else []
    if slot:
        # Only its holder frees a slot, and a run ends once: no version needs to be expected.
        stream = slot_stream(run.state.fullname)
        streams.append(StreamAppend(stream, ExpectedVersion.EXISTS, tuple(slot)))
    return AppendRequest(tenant, tuple(streams))


def _outcome(pending: PendingCommand, decision: Decision, run: CachedRun) -> Outcome | Exception:
    state = decision.state
    outcome = Outcome(
        state.run_id,
        state.run_number,
        run.position(state.version),
        state.status,
        results=tuple(
            ReportResult(
                verdict.event_id,
                verdict.outcome,
                run.position(verdict.version) if verdict.version else None,
                verdict.reason,
            )
            for verdict in decision.verdicts
        ),
    )
    if not decision.refusal:
        return outcome
    if isinstance(pending.command, ClaimRun):
        return ClaimLost(decision.refusal)
    return RunEnded(decision.refusal, outcome=outcome)
