"""Follows the log: each event is decoded once for all subscribers in the process."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from events.database import Database, close_quietly, load, translate_errors
from events.envelope import Event, Position
from events.errors import LogUnavailable
from events.store import Log

CHANNEL: Final = "log_head"
"""The NOTIFY channel; its payload is the last position."""

BUFFER_SIZE: Final = 1_000
"""Newest events that a feed buffers; a subscriber further behind reads the database.

Not larger: events that stay long have left the processor's caches and take longer to free.
"""

READ_SIZE: Final = 2_000
"""Events that a feed reads at once."""

POLL_S: Final = 0.25
"""Seconds between polls, in case a notification is lost."""

NOTIFY_INTERVAL_S: Final = 0.01
"""Seconds between two notifications of a process: NOTIFY locks the whole server at commit."""

_SQL: Final = Path(__file__).parent / "sql"


class Feed:
    """The log as one process sees it: without gaps, decoded once, the newest events buffered.

    It starts at the head of the log; `read_after` gets older events from the database. One for
    each process, made before anybody waits on it.
    """

    def __init__(self, log: Log, *, buffer_size: int = BUFFER_SIZE) -> None:
        self._log = log
        self._database = log.database
        self._timeline = log.database.timeline
        self._buffer_size = buffer_size
        self._events: list[Event] = []
        self._head = Position(0)
        self._started = False
        self._woken = asyncio.Event()
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    @property
    def head(self) -> Position:
        """The last position decoded in this process; 0 before `run` has started."""
        return self._head

    def wake(self, events: Sequence[Event] = ()) -> None:
        """Add events that this process has just committed, or wake up to read those of others.

        Events that do not follow the head are read from the log with those in between.
        """
        if events:
            self._timeline.observe(events)
        if self._started and events and events[0].position <= self._head + 1:
            self._advance(events)
        else:
            self._woken.set()

    async def run(self) -> None:
        """Follow the log for ever. The caller restarts it if it fails.

        Raises:
            LogUnavailable: the database went away; the buffered events stay.
            LedgerReplaced: the database was replaced by an older copy.
            MissingPositions: the log has a hole.
        """
        connection = await self._database.connect()
        try:
            with translate_errors():
                await connection.add_listener(CHANNEL, self._on_notification)
            if not self._started:
                await self._start_at_head()
            loop = asyncio.get_running_loop()
            verified_at = loop.time()
            while not connection.is_closed():
                await self._poll_once()
                if loop.time() - verified_at >= POLL_S:
                    with translate_errors():
                        await self._timeline.verify(connection)
                    verified_at = loop.time()
        finally:
            await close_quietly(connection)
        raise LogUnavailable("the listening connection was lost")

    async def wait_for(self, position: int, timeout_s: float) -> bool:
        """Wait until this process has decoded a position; return False after the timeout."""
        if position <= self._head:
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await self._wait_until_decoded(position)
        except TimeoutError:
            return False
        return True

    async def read_after(self, position: Position, limit: int = READ_SIZE) -> Sequence[Event]:
        """Wait for events after a position; return at most ``limit``, without a gap.

        Raises:
            MissingPositions: the log has a hole.
            LogUnavailable: the events are not buffered, and the database is away.
        """
        await self._wait_until_decoded(position + 1)
        index = position - (self._head - len(self._events))
        if index >= 0:
            return self._events[index : index + limit]
        return await self._log.read(position, limit)

    async def subscribe(
        self, after: Position, limit: int = READ_SIZE
    ) -> AsyncIterator[Sequence[Event]]:
        """Yield all events after a position, for ever, in batches without a gap."""
        while True:
            events = await self.read_after(after, limit)
            yield events
            after = events[-1].position

    async def _start_at_head(self) -> None:
        head = await self._log.head()
        if head:
            self._timeline.observe(await self._log.read_at([head]))
        self._set_head(head)
        self._started = True

    async def _poll_once(self) -> None:
        self._woken.clear()
        while events := await self._log.read(self._head, READ_SIZE):
            self._advance(events)
        try:
            async with asyncio.timeout(POLL_S):
                await self._woken.wait()
        except TimeoutError:
            return

    def _on_notification(
        self, _connection: object, _pid: int, _channel: str, payload: object
    ) -> None:
        if int(str(payload)) > self._head:
            self._woken.set()

    def _advance(self, events: Sequence[Event]) -> None:
        fresh = events[self._head + 1 - events[0].position :]
        self._events.extend(fresh)
        # An eighth at a time: freeing thousands of events at once would block the loop.
        if len(self._events) > self._buffer_size + self._buffer_size // 8:
            del self._events[: -self._buffer_size]
        if fresh:
            self._timeline.observe(fresh)
            self._set_head(fresh[-1].position)

    def _set_head(self, head: Position) -> None:
        self._head = head
        while self._waiters and self._waiters[0][0] <= head:
            waiter = heapq.heappop(self._waiters)[2]
            if not waiter.done():
                waiter.set_result(None)

    async def _wait_until_decoded(self, position: int) -> None:
        if position <= self._head:
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (position, next(self._numbers), reached))
        await reached


class Notifier:
    """Notifies other processes of this one's commits, on a connection of its own.

    Not in the append itself: transactions with a NOTIFY commit one by one on the whole server.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._head = Position(0)
        self._unsent = asyncio.Event()

    def notify(self, events: Sequence[Event]) -> None:
        """Record a commit for `run` to send."""
        self._head = max(self._head, events[-1].position)
        self._unsent.set()

    async def run(self) -> None:
        """Send each new head, at most every `NOTIFY_INTERVAL_S`. The caller restarts it.

        Raises:
            LogUnavailable: the database went away; feeds poll meanwhile.
        """
        connection = await self._database.connect()
        try:
            while True:
                await self._unsent.wait()
                self._unsent.clear()
                with translate_errors():
                    await connection.execute(load(_SQL, "notify"), CHANNEL, str(self._head))
                await asyncio.sleep(NOTIFY_INTERVAL_S)
        finally:
            await close_quietly(connection)
