"""Takes all the appends that wait, together: while statements are in flight, the next gathers."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from events.batch import Answer
from events.envelope import Appended, AppendRequest, Event, Position
from events.errors import AppendTimeout, LogBusy, LogError, LogUnavailable
from events.store import Log

OnCommit = Callable[[Sequence[Event]], None]
"""Called with the events of a commit, in the order of their positions; it must not block."""

RETRY_S: Final = 3.0
"""Seconds for which an append is repeated after the connection was lost."""

ENSURE_EVERY: Final = 1_000_000
"""Positions after which a process asks for partitions ahead; the first commit asks too."""

LANES: Final = 2
"""Statements in flight: the database works on one while this process reads the other's answers."""

SHARED: Final = 64
"""Requests waiting and in flight from which on a batch leaves the other lanes their share."""

_FIRST_PAUSE_S: Final = 0.02
_LONGEST_PAUSE_S: Final = 0.5


@dataclass(slots=True)
class _Waiting:
    # Not frozen: one is made for each append, and a frozen one takes three times as long to make.
    request: AppendRequest
    answer: asyncio.Future[Appended]
    streams: list[tuple[str, str]]
    events: int
    size_bytes: int


class Batcher:
    """Groups the appends of a process: whatever waits goes into one statement, without delay.

    Requests of one stream are appended in the order in which they came, and may follow each other
    in one batch; two statements in flight never share a stream. At most ``max_waiting`` wait. A
    batch has at most ``max_events`` events and ``max_bytes`` bytes of bodies and metadata, or it is
    one request.
    """

    def __init__(
        self,
        log: Log,
        *,
        max_events: int = 500,
        max_bytes: int = 1_000_000,
        max_waiting: int = 10_000,
    ) -> None:
        self._log = log
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._max_waiting = max_waiting
        self._waiting: deque[_Waiting] = deque()
        self._flying: set[tuple[str, str]] = set()
        self._in_flight = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._runner: asyncio.Task[object] | None = None
        self._callbacks: list[OnCommit] = []
        self._ensure_at = 0

    def on_commit(self, callback: OnCommit) -> None:
        """Call back after each commit of this process; the later of two commits may be first."""
        self._callbacks.append(callback)

    async def append(self, request: AppendRequest) -> Appended:
        """Append one request, together with whatever else waits.

        A caller that is cancelled before its batch is taken writes nothing; after that it may.

        Raises:
            VersionConflict: a stream does not stand where the request expects it.
            IdempotencyMismatch: the key was used for a different request.
            InvalidEvent: the request breaks a bound of the log.
            LogBusy: too many wait already.
            AppendTimeout: another writer held the log for too long; nothing was written.
            LogUnavailable: the database stayed away; repeat with the same event ids.
        """
        if self._closing:
            raise LogUnavailable("this process is about to stop")
        if len(self._waiting) >= self._max_waiting:
            raise LogBusy
        waiting = _weigh(request)
        self._waiting.append(waiting)
        self._wake.set()
        return await waiting.answer

    async def run(self) -> None:
        """Write what waits until `close`; to be supervised, and started again if it fails."""
        self._runner = asyncio.current_task()
        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(LANES):
                    lanes.create_task(self._run_lane())
        except ExceptionGroup as group:
            raise group.exceptions[0] from group

    async def close(self) -> None:
        """Take no more, write what waits, and end `run`."""
        self._closing = True
        self._wake.set()
        if self._runner is not None:
            await asyncio.wait([self._runner])
        self._fail_waiting(LogUnavailable("this process has stopped"))

    async def _run_lane(self) -> None:
        while True:
            # Callers just answered may append again in this turn: they make this batch a full one.
            await asyncio.sleep(0)
            batch, streams = self._take()
            if batch:
                await self._fly(batch, streams)
            elif self._closing and not self._waiting:
                return
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _fly(self, batch: Sequence[_Waiting], streams: set[tuple[str, str]]) -> None:
        self._flying |= streams
        self._in_flight += len(batch)
        try:
            await self._write(batch)
        finally:
            self._flying -= streams
            self._in_flight -= len(batch)
            self._wake.set()

    def _take(self) -> tuple[list[_Waiting], set[tuple[str, str]]]:
        """Take a batch off what waits; gives the streams that it names, too."""
        batch: list[_Waiting] = []
        streams: set[tuple[str, str]] = set()
        events = size_bytes = 0
        present = len(self._waiting) + self._in_flight
        most = -(-present // LANES) if present >= SHARED else present
        while self._waiting:
            first = self._waiting[0]
            # What must not fly beside this batch would only wait for it: it comes along.
            if len(batch) >= most and streams.isdisjoint(first.streams):
                break
            events += first.events
            size_bytes += first.size_bytes
            full = events > self._max_events or size_bytes > self._max_bytes
            if (batch and full) or (self._flying and self._meets_flying(first)):
                break
            self._waiting.popleft()
            if not first.answer.done():
                batch.append(first)
                streams.update(first.streams)
        return batch, streams

    def _meets_flying(self, waiting: _Waiting) -> bool:
        return not self._flying.isdisjoint(waiting.streams)

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        try:
            answers = await self._append_until([waiting.request for waiting in batch])
        except LogUnavailable as error:
            # Who waits behind would wait for the same: nothing of theirs was sent.
            _fail(batch, error)
            self._fail_waiting(error)
            return
        except BaseException as error:
            _fail(batch, LogUnavailable(f"the batcher stopped: {error!r}"))
            raise
        events: list[Event] = []
        for waiting, answer in zip(batch, answers, strict=True):
            _settle(waiting.answer, answer)
            if isinstance(answer, Appended):
                events.extend(answer.events)
        if events:
            await self._committed(events)

    async def _committed(self, events: Sequence[Event]) -> None:
        for callback in self._callbacks:
            callback(events)
        if events[-1].position >= self._ensure_at:
            self._ensure_at = events[-1].position + ENSURE_EVERY
            # There are ten million positions ahead: failing now is no harm, the next time will do.
            with suppress(LogUnavailable, AppendTimeout):
                await self._log.ensure_partitions()

    async def _append_until(self, requests: Sequence[AppendRequest]) -> list[Answer]:
        deadline = time.monotonic() + RETRY_S
        pause_s = _FIRST_PAUSE_S
        repeated = False
        while True:
            try:
                answers = await self._append(requests)
                return await self._claim(requests, answers) if repeated else answers
            except LogUnavailable:
                if time.monotonic() + pause_s > deadline:
                    raise
            repeated = True
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _append(self, requests: Sequence[AppendRequest]) -> list[Answer]:
        try:
            return await self._log.append(requests)
        except LogUnavailable:
            raise
        except AppendTimeout:
            return [AppendTimeout() for _ in requests]
        except LogError as error:
            if len(requests) == 1:
                return [error]
            half = len(requests) // 2
            return [*await self._append(requests[:half]), *await self._append(requests[half:])]

    async def _claim(
        self, requests: Sequence[AppendRequest], answers: Sequence[Answer]
    ) -> list[Answer]:
        # After a lost connection a duplicate with our own event ids is what our first try wrote.
        return [await self._ours(*pair) for pair in zip(requests, answers, strict=True)]

    async def _ours(self, request: AppendRequest, answer: Answer) -> Answer:
        if not isinstance(answer, Appended) or not answer.duplicate:
            return answer
        first, last = answer.first_position, answer.last_position
        events = await self._log.read(Position(first - 1), last - first + 1)
        written = next(event for part in request.streams for event in part.events)
        if events[0].event_id != written.event_id:
            return answer
        return answer._replace(duplicate=False, events=tuple(events))

    def _fail_waiting(self, error: LogUnavailable) -> None:
        waiting, self._waiting = self._waiting, deque()
        _fail(waiting, error)


def _weigh(request: AppendRequest) -> _Waiting:
    streams, events, size_bytes = [], 0, 0
    for part in request.streams:
        streams.append((request.tenant, part.stream))
        events += len(part.events)
        for event in part.events:
            size_bytes += len(event.body) + len(event.metadata)
    answer = asyncio.get_running_loop().create_future()
    return _Waiting(request, answer, streams, events, size_bytes)


def _fail(batch: Iterable[_Waiting], error: LogUnavailable) -> None:
    for waiting in batch:
        failure = LogUnavailable(str(error))
        failure.__cause__ = error.__cause__
        _settle(waiting.answer, failure)


def _settle(future: asyncio.Future[Appended], answer: Answer) -> None:
    if future.done():
        return
    if isinstance(answer, Appended):
        future.set_result(answer)
    else:
        future.set_exception(answer)
