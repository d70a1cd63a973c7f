"""A store with common mistakes, which this kit must detect: it loses and doubles events.

Its position is a bigserial, drawn before the commit and burned by a rollback. Its reader asks for
"greater than the last seen". Its projection moves the checkpoint in a transaction of its own.
`python -m tests.kit.naive URL` projects; `python -m tests.kit.naive URL STREAM` writes.
"""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace

import asyncpg

from events.codec import decode
from events.database import close_quietly
from events.envelope import AppendRequest, AppendResult, Event, ExpectedVersion, NewEvent
from events.errors import VersionConflict

TABLES = """
create schema if not exists naive;
create table if not exists naive.events (
    position bigserial primary key, tenant text, stream text, version bigint, event_id uuid,
    type text, body bytea, recorded_at timestamptz default clock_timestamp(),
    unique (tenant, stream, version)
);
create table if not exists naive.counts (stream text primary key, events bigint not null);
create table if not exists naive.checkpoint (position bigint not null)
"""
INSERT = """
insert into naive.events (tenant, stream, version, event_id, type, body)
select $1, $2, coalesce(max(version), 0) + 1, $3, $4, $5
from naive.events where tenant = $1 and stream = $2
returning position, version, recorded_at
"""
VERSION = "select coalesce(max(version), 0) from naive.events where tenant = $1 and stream = $2"
GREATER_THAN_LAST_SEEN = """
select position, stream from naive.events where position > $1 order by position limit $2
"""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await close_quietly(connection)


async def set_up(url: str) -> None:
    async with connected(url) as connection:
        await connection.execute(TABLES)
        await connection.execute("truncate naive.events, naive.counts, naive.checkpoint")
        await connection.execute("alter sequence naive.events_position_seq restart")
        await connection.execute("insert into naive.checkpoint values (0)")


async def positions(url: str) -> list[int]:
    """What it has in the end."""
    async with connected(url) as connection:
        rows = await connection.fetch("select position from naive.events order by position")
    return [row["position"] for row in rows]


class NaiveLog:
    """Insert, then look whether that was allowed; keys and repeats are nobody's business."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def append(
        self, requests: Sequence[AppendRequest]
    ) -> list[AppendResult | VersionConflict]:
        return [await self._append(request) for request in requests]

    async def _append(self, request: AppendRequest) -> AppendResult | VersionConflict:
        try:
            async with self._connection.transaction():
                return await self.insert(request)
        except VersionConflict as conflict:
            return conflict

    async def insert(self, request: AppendRequest) -> AppendResult:
        """Draw the positions and insert; to be committed by the caller."""
        written: list[Event] = []
        for part in request.streams:
            before = await self._connection.fetchval(VERSION, request.tenant, part.stream)
            written += [await self._insert(request.tenant, part.stream, e) for e in part.events]
            if part.expected not in (before, ExpectedVersion.ANY):
                raise VersionConflict(request.tenant, part.stream, part.expected, before)
        first, last = written[0], written[-1]
        return AppendResult(first.position, last.position, last.recorded_at, events=tuple(written))

    async def _insert(self, tenant: str, stream: str, event: NewEvent) -> Event:
        row = await self._connection.fetchrow(
            INSERT, tenant, stream, event.event_id, event.type, event.body
        )
        return Event(
            position=row["position"],
            tenant=tenant,
            stream=stream,
            version=row["version"],
            event_id=event.event_id,
            type=event.type,
            schema_version=1,
            data=decode(event.body),
            metadata={},
            actor=event.actor,
            correlation_id="",
            causation_id="",
            idempotency_key="",
            occurred_at=None,
            recorded_at=row["recorded_at"],
            leaf_hash=b"",
        )

    async def head(self) -> int:
        return await self._connection.fetchval(
            "select coalesce(max(position), 0) from naive.events"
        )

    async def read_stream(self, tenant: str, stream: str) -> list[SimpleNamespace]:
        rows = await self._connection.fetch(
            "select version from naive.events where tenant = $1 and stream = $2 order by position",
            tenant,
            stream,
        )
        return [SimpleNamespace(**row) for row in rows]


async def follow(url: str, tally) -> None:
    """The reader: greater than the last seen."""
    async with connected(url) as connection:
        while True:
            rows = await connection.fetch(GREATER_THAN_LAST_SEEN, tally.last, 1000)
            tally.note(row["position"] for row in rows)
            await asyncio.sleep(0 if rows else 0.001)


async def write(url: str, stream: str) -> None:
    """One writer of many: draw a position, do something else, commit."""
    async with connected(url) as connection:
        while True:
            async with connection.transaction():
                await connection.fetchrow(INSERT, "t", stream, None, "Written", b"{}")
                await asyncio.sleep(random.random() / 200)


class Projector:
    """Counts the events of each stream; where it stands it notes afterwards."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def step(self, limit: int) -> None:
        position = await self._connection.fetchval("select position from naive.checkpoint")
        rows = await self._connection.fetch(GREATER_THAN_LAST_SEEN, position, limit)
        await self.write_rows(Counter(row["stream"] for row in rows))
        if rows:
            await self.write_checkpoint(rows[-1]["position"])

    async def write_rows(self, counts: Counter[str]) -> None:
        await self._connection.executemany(
            "insert into naive.counts as c values ($1, $2)"
            " on conflict (stream) do update set events = c.events + excluded.events",
            list(counts.items()),
        )

    async def write_checkpoint(self, position: int) -> None:
        await self._connection.execute("update naive.checkpoint set position = $1", position)


async def project(url: str) -> None:
    async with connected(url) as connection:
        projector = Projector(connection)
        while True:
            await projector.step(50)


async def differing_counts(url: str) -> int:
    """How many rows of the read model are not what a plain count of the events gives."""
    async with connected(url) as connection:
        return await connection.fetchval("""
            select count(*)
            from (select stream, count(*) as events from naive.events group by 1) e
            full join naive.counts c using (stream)
            where e.events is distinct from c.events
        """)


async def main(url: str, stream: str = "") -> None:
    await (write(url, stream) if stream else project(url))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
