"""Takes the commands for runs that exist: those for one run in order, in one append."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from events.envelope import Appended, AppendRequest, Expected, NewEvent, StreamAppend
from events.errors import InvalidEvent, LogError, VersionConflict
from events.types import RUN_FAILED, run_stream, slot_stream
from service.errors import ServiceError, Unavailable
from service.ids import new_id
from service.runs.domain.commands import ClaimRun, FactResult, Outcome
from service.runs.domain.decider import Decision, RunCommand, decide
from service.runs.domain.errors import ClaimLost, RunEnded
from service.runs.domain.retries import Retry, is_retried, retried
from service.runs.write.number_sequence import NumbersExhausted
from service.runs.write.numbers import Numbers
from service.runs.write.run_cache import Entry, Key, States

TRIES: Final = 5
"""How often a run's commands are decided before its writer gives up on a run that keeps moving."""

MOST_EVENTS: Final = 500
"""Events after which no further command joins the same append."""


class Batcher(Protocol):
    """What is needed of the log's batcher."""

    async def append(self, request: AppendRequest) -> Appended:
        """Append one request."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """A command that waits, and whom to tell."""

    command: RunCommand
    outcome: asyncio.Future[Outcome]

    def settle(self, outcome: Outcome | Exception) -> None:
        """Tell the caller, if it still listens."""
        if self.outcome.done():
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
            self.outcome.exception()  # the caller may be gone by the time it would look
        else:
            self.outcome.set_result(outcome)


_log = logging.getLogger(__name__)

Link = Sequence[tuple[Job, Decision]]
"""Commands of one run that go into one append, with what each came to."""


class Moved(Exception):
    """The run has moved on since it was read; nothing was written."""


class Chains:
    """One chain a run: what comes while an append is under way goes into the next one, together."""

    def __init__(self, batcher: Batcher, states: States, numbers: Numbers) -> None:
        self._batcher = batcher
        self._states = states
        self._numbers = numbers
        self._chains: dict[Key, deque[Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, command: RunCommand) -> Outcome:
        """Carry out a command; once taken it is carried out even if the caller goes away.

        Raises:
            UnknownRun: the tenant has no such run.
            RunEnded: a cancel came too late, which is recorded; carries the outcome.
            ClaimLost: the run is not to be had at that epoch.
            Unavailable: the run kept moving under five tries.
            LogError: the log could not take it.
        """
        job = Job(command, asyncio.get_running_loop().create_future())
        key = (command.tenant, command.run_id)
        chain = self._chains.get(key)
        if chain is None:
            self._chains[key] = deque([job])
            task = asyncio.create_task(self._drain(key), name=f"run {command.run_id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            chain.append(job)
        return await job.outcome

    async def close(self) -> None:
        """Wait until all that was taken is carried out."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _drain(self, key: Key) -> None:
        chain = self._chains[key]
        try:
            while chain:
                await self._next(key, chain)
        except BaseException:
            for job in chain:
                job.settle(Unavailable("the writer stopped"))
            raise
        finally:
            del self._chains[key]

    async def _next(self, key: Key, chain: deque[Job]) -> None:
        try:
            await self._link(key, chain)
        except (LogError, ServiceError) as error:
            self._states.forget(key)
            for _ in range(1 if isinstance(error, InvalidEvent) else len(chain)):
                chain.popleft().settle(error)
        except Exception as error:  # noqa: BLE001 - a bug: its caller gets it, the others go on
            self._states.forget(key)
            chain.popleft().settle(error)

    async def _link(self, key: Key, chain: deque[Job]) -> None:
        """Carry out what waits first, in one append."""
        for left in reversed(range(TRIES)):
            guess = self._states.guess(key)
            entry = guess or await self._states.read(key)
            # Alone at last: a command that the log refuses must fail nobody else's.
            link = _decided(entry, chain if left else [chain[0]])
            try:
                await self._append(key, entry, link, checked=guess is None)
            except (Moved, VersionConflict):
                self._states.forget(key)
            except InvalidEvent:
                # It may say that another process has just recorded the same report.
                self._states.forget(key)
                if not left:
                    raise
            else:
                for job, decision in link:
                    chain.popleft().settle(_outcome(job, decision, entry))
                return
        raise Unavailable("the run changes too quickly; try again")

    async def _append(self, key: Key, entry: Entry, link: Link, *, checked: bool) -> None:
        events = [event for _, decision in link for event in decision.events]
        state = link[-1][1].state
        if not events:
            # What writes nothing is checked by no append: it must not rest on a guess.
            if not checked:
                raise Moved
            self._states.keep(key, entry)
            return
        retry = await self._retry(entry, link)
        appended = await self._batcher.append(_request(key, entry, events, link, retry))
        if appended.duplicate:
            raise Moved
        first = appended.first_position
        self._states.moved(key, entry, state, range(first, first + len(events)))

    async def _retry(self, entry: Entry, link: Link) -> Retry | None:
        """Make the run that follows by itself, where the link fails this one."""
        before = entry.state
        for job, decision in link:
            if is_retried(entry.plan, before, decision.state):
                return await self._retried(entry, job, decision)
            before = decision.state
        return None

    async def _retried(self, entry: Entry, job: Job, decision: Decision) -> Retry | None:
        try:
            run_number = await self._numbers.next()
        except NumbersExhausted:
            # The failure is recorded all the same: it must not wait for a new ledger.
            _log.exception("run %s is not retried", decision.state.run_id)
            return None
        return retried(
            entry.plan,
            decision.state,
            next(event for event in decision.events if event.type == RUN_FAILED),
            origin=job.command.origin,
            run_number=run_number,
            new_id=new_id,
        )


def _decided(entry: Entry, jobs: Sequence[Job] | deque[Job]) -> list[tuple[Job, Decision]]:
    link: list[tuple[Job, Decision]] = []
    state, events = entry.state, 0
    for job in jobs:
        try:
            decision = decide(entry.plan, state, job.command, new_id)
        except Exception:
            if link:
                break  # those before it go on; then it stands first, and fails alone
            raise
        link.append((job, decision))
        state, events = decision.state, events + len(decision.events)
        if events >= MOST_EVENTS:
            break
    return link


def _request(
    key: Key, entry: Entry, events: Sequence[NewEvent], link: Link, retry: Retry | None
) -> AppendRequest:
    tenant, run_id = key
    streams = [StreamAppend(run_stream(run_id), entry.state.version, tuple(events))]
    slot = [decision.slot_freed for _, decision in link if decision.slot_freed]
    if retry is not None:
        # The same append: whoever dies now, there is both or neither.
        streams.append(StreamAppend(run_stream(retry.run_id), 0, (retry.queued,)))
        slot += [retry.slot_taken] if retry.slot_taken else []
    if slot:
        # Only its holder frees a slot, and a run ends once: no version needs to be known.
        stream = slot_stream(entry.state.fullname)
        streams.append(StreamAppend(stream, Expected.EXISTS, tuple(slot)))
    return AppendRequest(tenant, tuple(streams))


def _outcome(job: Job, decision: Decision, entry: Entry) -> Outcome | Exception:
    state = decision.state
    outcome = Outcome(
        state.run_id,
        state.run_number,
        entry.position(state.version),
        state.status,
        results=tuple(
            FactResult(
                answer.event_id,
                answer.outcome,
                entry.position(answer.version) if answer.version else None,
                answer.reason,
            )
            for answer in decision.answers
        ),
    )
    if not decision.refusal:
        return outcome
    if isinstance(job.command, ClaimRun):
        return ClaimLost(decision.refusal)
    return RunEnded(decision.refusal, outcome=outcome)
