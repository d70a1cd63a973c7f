"""Group commit: all pending appends of a process go to the log in one statement."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from events.batch import AppendOutcome
from events.envelope import AppendRequest, AppendResult, Event, Position
from events.errors import AppendTimeout, LogBusy, LogError, LogUnavailable
from events.store import Log

OnCommit = Callable[[Sequence[Event]], None]
"""Called with the events of a commit, in the order of their positions; it must not block."""

RETRY_S: Final = 3.0
"""Seconds for which an append is retried after a lost connection."""

ENSURE_PARTITIONS_EVERY: Final = 1_000_000
"""Positions between two checks for partitions ahead; the first commit checks too."""

PIPELINE_DEPTH: Final = 2
"""Statements in flight: the database runs one while this process reads the other's result."""

SPLIT_FROM: Final = 64
"""From this many requests, pending and in flight, a batch takes only its share of them."""

_FIRST_BACKOFF_S: Final = 0.02
_MAX_BACKOFF_S: Final = 0.5


@dataclass(slots=True)
class _PendingAppend:
    # Not frozen: one is made for each append, and a frozen one takes three times as long to make.
    request: AppendRequest
    answer: asyncio.Future[AppendResult]
    streams: list[tuple[str, str]]
    events: int
    size_bytes: int


class Batcher:
    """Groups the appends of a process; a pending append is never delayed to fill a batch.

    While statements are in flight, the next batch gathers. Requests of one stream are appended in
    the order of their arrival, and may share a batch; two statements in flight never share a
    stream. At most ``max_pending`` requests wait. A batch has at most ``max_events`` events and
    ``max_bytes`` bytes of bodies and metadata, or it is a single request.
    """

    def __init__(
        self,
        log: Log,
        *,
        max_events: int = 500,
        max_bytes: int = 1_000_000,
        max_pending: int = 10_000,
    ) -> None:
        self._log = log
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._max_pending = max_pending
        self._pending: deque[_PendingAppend] = deque()
        self._in_flight_streams: set[tuple[str, str]] = set()
        self._in_flight_requests = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._runner: asyncio.Task[object] | None = None
        self._callbacks: list[OnCommit] = []
        self._ensure_partitions_at = 0

    def on_commit(self, callback: OnCommit) -> None:
        """Call back after each commit of this process; of two commits, either may come first."""
        self._callbacks.append(callback)

    async def append(self, request: AppendRequest) -> AppendResult:
        """Append one request, batched with all others that are pending.

        A caller that is cancelled before its batch is sent writes nothing; later it may.

        Raises:
            VersionConflict: a stream does not stand where the request expects it.
            IdempotencyMismatch: the key was used for a different request.
            InvalidEvent: the request breaks a bound of the log.
            LogBusy: too many requests are pending.
            AppendTimeout: another writer held the log for too long; nothing was written.
            LogUnavailable: the database stayed away; repeat with the same event ids.
        """
        if self._closing:
            raise LogUnavailable("this process is about to stop")
        if len(self._pending) >= self._max_pending:
            raise LogBusy
        pending = _prepare(request)
        self._pending.append(pending)
        self._wake.set()
        return await pending.answer

    async def run(self) -> None:
        """Send pending requests until `close`. The caller restarts it if it fails."""
        self._runner = asyncio.current_task()
        try:
            async with asyncio.TaskGroup() as senders:
                for _ in range(PIPELINE_DEPTH):
                    senders.create_task(self._run_sender())
        except ExceptionGroup as group:
            raise group.exceptions[0] from group

    async def close(self) -> None:
        """Refuse new requests, send the pending ones, and end `run`."""
        self._closing = True
        self._wake.set()
        if self._runner is not None:
            await asyncio.wait([self._runner])
        self._fail_pending(LogUnavailable("this process has stopped"))

    async def _run_sender(self) -> None:
        while True:
            # Callers just answered may append again in this turn: they fill this batch.
            await asyncio.sleep(0)
            batch, streams = self._next_batch()
            if batch:
                await self._send(batch, streams)
            elif self._closing and not self._pending:
                return
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _send(self, batch: Sequence[_PendingAppend], streams: set[tuple[str, str]]) -> None:
        self._in_flight_streams |= streams
        self._in_flight_requests += len(batch)
        try:
            await self._write(batch)
        finally:
            self._in_flight_streams -= streams
            self._in_flight_requests -= len(batch)
            self._wake.set()

    def _next_batch(self) -> tuple[list[_PendingAppend], set[tuple[str, str]]]:
        """Remove a batch from the pending requests; return it and the streams it names."""
        batch: list[_PendingAppend] = []
        streams: set[tuple[str, str]] = set()
        events = size_bytes = 0
        present = len(self._pending) + self._in_flight_requests
        max_requests = -(-present // PIPELINE_DEPTH) if present >= SPLIT_FROM else present
        while self._pending:
            first = self._pending[0]
            # A request that shares a stream with this batch could not be sent beside it: add it.
            if len(batch) >= max_requests and streams.isdisjoint(first.streams):
                break
            events += first.events
            size_bytes += first.size_bytes
            full = events > self._max_events or size_bytes > self._max_bytes
            if (batch and full) or not self._in_flight_streams.isdisjoint(first.streams):
                break
            self._pending.popleft()
            if not first.answer.done():
                batch.append(first)
                streams.update(first.streams)
        return batch, streams

    async def _write(self, batch: Sequence[_PendingAppend]) -> None:
        try:
            answers = await self._append_with_retry([pending.request for pending in batch])
        except LogUnavailable as error:
            # The other pending requests would fail the same way; none of them was sent.
            _fail(batch, error)
            self._fail_pending(error)
            return
        except BaseException as error:
            _fail(batch, LogUnavailable(f"the batcher stopped: {error!r}"))
            raise
        events: list[Event] = []
        for pending, answer in zip(batch, answers, strict=True):
            _resolve(pending.answer, answer)
            if isinstance(answer, AppendResult):
                events.extend(answer.events)
        if events:
            await self._on_committed(events)

    async def _on_committed(self, events: Sequence[Event]) -> None:
        for callback in self._callbacks:
            callback(events)
        if events[-1].position >= self._ensure_partitions_at:
            self._ensure_partitions_at = events[-1].position + ENSURE_PARTITIONS_EVERY
            # Partitions exist for ten million positions ahead, so a failure can wait.
            with suppress(LogUnavailable, AppendTimeout):
                await self._log.ensure_partitions()

    async def _append_with_retry(self, requests: Sequence[AppendRequest]) -> list[AppendOutcome]:
        deadline = time.monotonic() + RETRY_S
        backoff_s = _FIRST_BACKOFF_S
        repeated = False
        while True:
            try:
                answers = await self._append_or_bisect(requests)
                return await self._reclaim_all(requests, answers) if repeated else answers
            except LogUnavailable:
                if time.monotonic() + backoff_s > deadline:
                    raise
            repeated = True
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, _MAX_BACKOFF_S)

    async def _append_or_bisect(self, requests: Sequence[AppendRequest]) -> list[AppendOutcome]:
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
            return [
                *await self._append_or_bisect(requests[:half]),
                *await self._append_or_bisect(requests[half:]),
            ]

    async def _reclaim_all(
        self, requests: Sequence[AppendRequest], answers: Sequence[AppendOutcome]
    ) -> list[AppendOutcome]:
        # After a lost connection, a duplicate with our event ids is what our first try wrote.
        return [await self._reclaim(*pair) for pair in zip(requests, answers, strict=True)]

    async def _reclaim(self, request: AppendRequest, answer: AppendOutcome) -> AppendOutcome:
        if not isinstance(answer, AppendResult) or not answer.duplicate:
            return answer
        first, last = answer.first_position, answer.last_position
        events = await self._log.read(Position(first - 1), last - first + 1)
        written = next(event for part in request.streams for event in part.events)
        if events[0].event_id != written.event_id:
            return answer
        return answer._replace(duplicate=False, events=tuple(events))

    def _fail_pending(self, error: LogUnavailable) -> None:
        pending, self._pending = self._pending, deque()
        _fail(pending, error)


def _prepare(request: AppendRequest) -> _PendingAppend:
    streams, events, size_bytes = [], 0, 0
    for part in request.streams:
        streams.append((request.tenant, part.stream))
        events += len(part.events)
        for event in part.events:
            size_bytes += len(event.body) + len(event.metadata)
    answer = asyncio.get_running_loop().create_future()
    return _PendingAppend(request, answer, streams, events, size_bytes)


def _fail(batch: Iterable[_PendingAppend], error: LogUnavailable) -> None:
    for pending in batch:
        failure = LogUnavailable(str(error))
        failure.__cause__ = error.__cause__
        _resolve(pending.answer, failure)


def _resolve(future: asyncio.Future[AppendResult], answer: AppendOutcome) -> None:
    if future.done():
        return
    if isinstance(answer, AppendResult):
        future.set_result(answer)
    else:
        future.set_exception(answer)
