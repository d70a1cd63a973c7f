"""Folds segments of history and copies their rows into the tables of a new version."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import aclosing, suppress
from itertools import islice
from typing import Any, Final

import asyncpg

from events import scan
from events.batch import event_from_row
from events.database import load, translate_errors
from events.envelope import Event, Position, Version
from projections.bulk.segments import Segment
from projections.errors import UnknownFlowVersion
from projections.flow_versions import FlowVersions
from projections.projection import Columns, Key, Projection, States, fold_event

STATEMENT_TIMEOUT_S: Final = 600.0
"""Seconds after which a COPY counts as lost, and its connection too."""

MarkDone = Callable[[asyncpg.Connection], Awaitable[None]]
"""Records that a segment is done, in the transaction that writes its rows."""


class BulkLoader:
    """Loads segments up to a target, one after the other, through a connection of its own.

    A segment's streams are those that begin in it, and they are folded up to the target. So no row
    is written twice, and no segment waits for another. Memory holds one segment's states and one
    page of events: about `segments.MAX_BYTES` of bodies, and what later positions add.
    """

    def __init__(
        self,
        projection: Projection,
        *,
        schema: str,
        connection: asyncpg.Connection,
        flows: FlowVersions,
        skipped: Collection[Position],
        target: Position,
    ) -> None:
        self._projection = projection
        self._schema = schema
        self._connection = connection
        self._flows = flows
        self._skipped = frozenset(skipped)
        self._target = target

    async def load(self, segment: Segment, mark_done: MarkDone) -> None:
        """Write a segment's rows and mark it as done, in one transaction.

        Raises:
            ApplyEventError: the fold failed; names the event's position.
            LogError: the log cannot be read, or the rows cannot be written.
        """
        with translate_errors():
            async with self._connection.transaction():
                states, changed = await self._fold(segment)
                await self._copy(self._projection.columns(states, changed))
                await mark_done(self._connection)

    async def _fold(self, segment: Segment) -> tuple[States, dict[Key, None]]:
        states = self._initial_states(segment)
        changed: dict[Key, None] = {}
        async with aclosing(self._events(segment)) as pages:
            async for events in pages:
                with suppress(UnknownFlowVersion):  # the run's fold fails, and names the position
                    await self._flows.load(events)
                for event in events:
                    for key in fold_event(self._projection, states, event, self._flows):
                        changed[key] = None
        return states, changed

    def _initial_states(self, segment: Segment) -> States:
        counters = self._projection.counters
        if counters is None:
            return {}
        return {
            (kind, tenant, name): counters.initial(count)
            for kind, tenant, name, count in segment.initial_counts
        }

    async def _events(self, segment: Segment) -> AsyncGenerator[Sequence[Event], None]:
        """Give the events of the segment's streams: those in the segment, then the later ones."""
        streams: dict[scan.StreamKey, Version] = {}
        window = scan.range_rows(self._connection, segment.after, segment.up_to)
        async with aclosing(window) as pages:
            async for page in pages:
                yield [event_from_row(row) for row in self._relevant(page, streams)]
        later = scan.continuations(
            self._connection,
            streams,
            self._projection.types,
            after=segment.up_to,
            up_to=self._target,
        )
        async with aclosing(later) as pages_of_events:
            async for events in pages_of_events:
                yield [event for event in events if event.position not in self._skipped]

    def _relevant(
        self, page: Sequence[Any], streams: dict[scan.StreamKey, Version]
    ) -> Iterator[Any]:
        types, skipped = self._projection.types, self._skipped
        for row in page:
            position, tenant, stream, version, _, type_ = row[:6]
            if version > 1 and (tenant, stream) not in streams:
                continue
            streams[tenant, stream] = version
            if type_ in types and position not in skipped:
                yield row

    async def _copy(self, columns: Columns) -> None:
        arrays = iter(columns)
        for target in self._projection.copy_targets:
            table_columns = list(islice(arrays, len(target.columns)))
            await self._connection.copy_records_to_table(
                target.table,
                schema_name=self._schema,
                columns=target.columns,
                records=zip(*table_columns, strict=True),
                timeout=STATEMENT_TIMEOUT_S,
            )


async def finish(connection: asyncpg.Connection, projection: Projection) -> None:
    """Fill the tables that are counted from the copied ones, by ``finish*.sql``.

    The connection's search path is the version's schema.
    """
    for statement in sorted(projection.folder.glob("finish*.sql")):
        await connection.execute(load(projection.folder, statement.stem))
