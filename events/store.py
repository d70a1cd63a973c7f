"""The log: one append for a whole batch, and reads that never skip a position."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from events.batch import (
    AppendOutcome,
    Batch,
    DecodedEvent,
    check_request,
    event_from_row,
    split_at_repeats,
)
from events.database import Pool, load, translate_errors
from events.envelope import AppendRequest, AppendResult, Event, Position, Version
from events.errors import (
    AppendTimeout,
    InvalidEvent,
    LedgerReplaced,
    LogUnavailable,
    MissingPositions,
)
from events.types import CATALOGUE_STREAM, EVERY_TENANT

SCAN_LIMIT: Final = 20_000
"""Positions that one page of a tenant's events scans at most."""

INFLIGHT_TIMEOUT_S: Final = 2.0
"""Seconds to wait for appends in flight before the last recorded position is given out."""

INFLIGHT_POLL_S: Final = 0.002

_SQL: Final = Path(__file__).parent / "sql"
_BIGINT_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """The request that used an idempotency key: its events, and the stream of the first."""

    fingerprint: bytes
    first_position: Position
    last_position: Position
    stream: str


@dataclass(slots=True)
class AppendHealth:
    """What became of the last appends of a process; times are those of the event loop's clock."""

    failing: bool = False
    """Whether the last append failed for want of the database."""
    failures: int = 0
    """Appends that failed for want of the database."""
    succeeded_at: float = -math.inf

    def record_failure(self) -> None:
        """Record an append that failed for want of the database."""
        self.failing, self.failures = True, self.failures + 1

    def record_success(self) -> None:
        """Record an append that the database has answered."""
        self.failing, self.succeeded_at = False, asyncio.get_running_loop().time()


class Log:
    """Reads and appends to the log; any number of processes share one database.

    Every method raises `LogUnavailable` where the database does not answer. The pool comes from
    `events.database.Database`.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.database = pool.database
        self.health = AppendHealth()

    async def append(self, requests: Sequence[AppendRequest]) -> list[AppendOutcome]:
        """Append a batch in one statement; the outcomes are as if requests came one by one.

        An outcome is `AppendResult`, or what that request would raise: `VersionConflict`,
        `IdempotencyMismatch`, `InvalidEvent`. A refused request takes no position.

        Raises:
            AppendTimeout: the lock on the counter row was not free in time; nothing was written.
            LogUnavailable: it is unknown what was written; repeat with the same event ids.
            LedgerReplaced: the database lacks events that this process has seen; nothing was
                written.
            InvalidEvent: the database refuses the statement for its values; nothing was written.
        """
        outcomes: dict[int, AppendOutcome] = {}
        decoded: dict[int, list[DecodedEvent]] = {}
        for index, request in enumerate(requests):
            try:
                decoded[index] = check_request(request)
            except InvalidEvent as error:
                outcomes[index] = error
        valid = list(decoded)
        for group in split_at_repeats([requests[index] for index in valid]):
            indexes = [valid[place] for place in group]
            appended = await self._append(
                Batch([requests[index] for index in indexes], [decoded[index] for index in indexes])
            )
            outcomes.update(zip(indexes, appended, strict=True))
        return [outcomes[index] for index in range(len(requests))]

    async def append_one(self, request: AppendRequest) -> AppendResult:
        """Append one request without the batcher; raise its outcome if it is an error."""
        (answer,) = await self.append([request])
        if not isinstance(answer, AppendResult):
            raise answer
        return answer

    async def _append(self, batch: Batch) -> list[AppendOutcome]:
        timeline = self.database.timeline
        try:
            row = (await self._fetch("append", *batch.columns(timeline.position)))[0]
        except LedgerReplaced as error:
            timeline.declare_replaced(str(error))
        except (LogUnavailable, AppendTimeout):
            self.health.record_failure()
            raise
        self.health.record_success()
        return batch.outcomes(row)

    async def read(self, after: Position, limit: int) -> list[Event]:
        """Read events from ``after`` + 1, without a gap, at most ``limit``; none at the head.

        Raises:
            MissingPositions: the log has a hole, which is an alarm.
        """
        rows = await self._fetch("read_range", after, min(after + limit, _BIGINT_MAX))
        for expected, row in enumerate(rows, after + 1):
            if row[0] != expected:
                raise MissingPositions(Position(expected), row[0])
        return [event_from_row(row) for row in rows]

    async def read_stream(
        self,
        tenant: str,
        stream: str,
        after: Version = Version(0),  # noqa: B008 - a number
        *,
        limit: int | None = None,
        up_to: Position | None = None,
    ) -> list[Event]:
        """Read a stream in version order, after a version and up to a position."""
        last = _BIGINT_MAX if limit is None else min(after + limit, _BIGINT_MAX)
        rows = await self._fetch("read_stream", tenant, stream, after, last, up_to)
        return [event_from_row(row) for row in rows]

    async def read_stream_of_type(
        self, tenant: str, stream: str, type_: str, *, limit: int
    ) -> list[Event]:
        """Read the first ``limit`` events of one type in a stream."""
        rows = await self._fetch("read_stream_of_type", tenant, stream, type_, limit)
        return [event_from_row(row) for row in rows]

    async def read_streams(
        self, keys: Sequence[tuple[str, str]], up_to: Position | None = None
    ) -> dict[tuple[str, str], list[Event]]:
        """Read many streams, by tenant and name, in one query; an unknown stream is empty."""
        unique = list(dict.fromkeys(keys))
        streams: dict[tuple[str, str], list[Event]] = {key: [] for key in unique}
        tenants, names = [key[0] for key in unique], [key[1] for key in unique]
        for row in await self._fetch("read_streams", tenants, names, up_to):
            streams[unique[row[0] - 1]].append(event_from_row(row[1:]))
        return streams

    async def read_page(
        self, after: Position, limit: int, tenant: str | None, up_to: Position | None = None
    ) -> tuple[list[Event], Position]:
        """Read a tenant's events (None or ``*``: all), and the position to continue after.

        That position also passes over other tenants' events, at most `SCAN_LIMIT` a page, and never
        beyond the head or ``up_to``: a page may be empty while more events follow.
        """
        if tenant is None or tenant == EVERY_TENANT:
            left = limit if up_to is None else min(limit, max(up_to - after, 0))
            events = await self.read(after, left)
            return events, events[-1].position if events else after
        end = min(await self.head() if up_to is None else up_to, after + SCAN_LIMIT)
        if end <= after:
            return [], after
        rows = await self._fetch("read_page", after, end, tenant, limit)
        events = [event_from_row(row) for row in rows]
        return events, events[-1].position if len(events) == limit else Position(end)

    async def read_at(self, positions: Sequence[Position]) -> list[Event]:
        """Read the events at some positions, in log order; missing ones are left out."""
        return [event_from_row(row) for row in await self._fetch("read_at", positions)]

    async def head(self) -> Position:
        """Read the last position of the log; 0 if it is empty."""
        position: Position = (await self._fetch("head"))[0][0]
        return position

    async def position_at(self, moment: datetime) -> Position:
        """Find the last position recorded at or before a moment; 0 before the first event.

        For a moment before `now` the result never changes: an append in flight, which may have an
        earlier time, is waited for, at most `INFLIGHT_TIMEOUT_S`.
        """
        position, head = (await self._fetch("position_at", moment))[0]
        if position == head:  # no event was recorded later, but one may be in flight
            await self._wait_for_inflight_appends()
            position = (await self._fetch("position_at", moment))[0][0]
        return Position(position)

    async def _wait_for_inflight_appends(self) -> None:
        in_flight = await self._inflight_appends()
        with translate_errors():
            async with asyncio.timeout(INFLIGHT_TIMEOUT_S):
                while in_flight:
                    await asyncio.sleep(INFLIGHT_POLL_S)
                    in_flight &= await self._inflight_appends()

    async def _inflight_appends(self) -> set[str]:
        return {row[0] for row in await self._fetch("inflight_appends")}

    async def now(self) -> datetime:
        """Read the ledger's time; no event recorded from now on has an earlier one.

        It stands still while the database's clock, set back, catches up with the last event.
        """
        now: datetime = (await self._fetch("now"))[0][0]
        return now

    async def clock(self) -> datetime:
        """Read the database's clock; unlike `now` it may be behind the last event."""
        now: datetime = (await self._fetch("clock"))[0][0]
        return now

    async def recorded_at(self, position: Position) -> datetime | None:
        """Read when the event at a position was recorded; None if there is none."""
        rows = await self._fetch("recorded_at", position)
        return rows[0][0] if rows else None

    async def tenants(self) -> list[str]:
        """List every tenant that has a catalogue of flows, in byte order."""
        return [row[0] for row in await self._fetch("tenants", CATALOGUE_STREAM)]

    async def find_idempotency_key(self, tenant: str, key: str) -> IdempotencyRecord | None:
        """Find the request that used an idempotency key; None if unused."""
        rows = await self._fetch("find_idempotency_key", tenant, key)
        return IdempotencyRecord(*rows[0]) if rows else None

    async def ensure_partitions(self) -> int:
        """Create the current partition and the next two where missing; return how many."""
        made: int = (await self._fetch("ensure_partitions"))[0][0]
        return made

    async def _fetch(self, name: str, *parameters: object) -> Sequence[Any]:
        with translate_errors():
            async with self._pool.acquire() as connection:
                rows: Sequence[Any] = await connection.fetch(load(_SQL, name), *parameters)
                return rows
