"""Folds a part of history into the tables of a version that is being built."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import aclosing, suppress
from itertools import islice
from typing import Any, Final

import asyncpg

from events import scan
from events.batch import event_of
from events.database import load, translate
from events.envelope import Event, Position, Version
from projections.bulk.segments import Part
from projections.errors import UnknownFlowVersion
from projections.flow_versions import Flows
from projections.projection import Columns, Key, Projection, States, fold_one

STATEMENT_TIMEOUT_S: Final = 600.0
"""Seconds after which a COPY counts as lost with its connection."""

Mark = Callable[[asyncpg.Connection], Awaitable[None]]
"""Notes that a part is done, in the transaction that writes its rows."""


class Folding:
    """Folds parts up to a target, through a connection of its own, one after the other.

    A part's streams are those that begin in it, and they are folded to the target, so no row is
    written twice and no part waits for another. In memory are one part's states and one page of
    events: about `segments.MOST_BYTES` of bodies, and what the part's streams get later.
    """

    def __init__(
        self,
        projection: Projection,
        *,
        schema: str,
        connection: asyncpg.Connection,
        flows: Flows,
        skipped: Collection[Position],
        target: Position,
    ) -> None:
        self._projection = projection
        self._schema = schema
        self._connection = connection
        self._flows = flows
        self._skipped = frozenset(skipped)
        self._target = target

    async def fold(self, part: Part, mark: Mark) -> None:
        """Write the rows of a part and mark it as done: both or neither.

        Raises:
            ApplyEventError: the projection cannot apply an event; names its position.
            LogError: the log cannot be read, or the rows cannot be written.
        """
        with translate():
            async with self._connection.transaction():
                states, changed = await self._states(part)
                await self._copy(self._projection.columns(states, changed))
                await mark(self._connection)

    async def _states(self, part: Part) -> tuple[States, dict[Key, None]]:
        states = self._begin(part)
        changed: dict[Key, None] = {}
        async with aclosing(self._events(part)) as pages:
            async for events in pages:
                with suppress(UnknownFlowVersion):  # its run's fold says so, and names the position
                    await self._flows.prepare(events)
                for event in events:
                    for key in fold_one(self._projection, states, event, self._flows):
                        changed[key] = None
        return states, changed

    def _begin(self, part: Part) -> States:
        counted = self._projection.counted
        if counted is None:
            return {}
        return {(kind, tenant, name): counted.begin(n) for kind, tenant, name, n in part.begun}

    async def _events(self, part: Part) -> AsyncGenerator[Sequence[Event], None]:
        """Give what concerns the streams that begin in a part: in the part, then later on."""
        known: dict[scan.Stream, Version] = {}
        async with aclosing(scan.window(self._connection, part.after, part.up_to)) as pages:
            async for page in pages:
                yield [event_of(row) for row in self._taken(page, known)]
        later = scan.rest(
            self._connection,
            known,
            self._projection.types,
            after=part.up_to,
            up_to=self._target,
        )
        async with aclosing(later) as rest:
            async for events in rest:
                yield [event for event in events if event.position not in self._skipped]

    def _taken(self, page: Sequence[Any], known: dict[scan.Stream, Version]) -> Iterator[Any]:
        types, skipped = self._projection.types, self._skipped
        for row in page:
            position, tenant, stream, version, _, type_ = row[:6]
            if version > 1 and (tenant, stream) not in known:
                continue
            known[tenant, stream] = version
            if type_ in types and position not in skipped:
                yield row

    async def _copy(self, columns: Columns) -> None:
        arrays = iter(columns)
        for copied in self._projection.copied:
            mine = list(islice(arrays, len(copied.columns)))
            await self._connection.copy_records_to_table(
                copied.table,
                schema_name=self._schema,
                columns=copied.columns,
                records=zip(*mine, strict=True),
                timeout=STATEMENT_TIMEOUT_S,
            )


async def finish(connection: asyncpg.Connection, projection: Projection) -> None:
    """Fill what is counted from the tables that were copied; within the version's search path."""
    for statement in sorted(projection.folder.glob("finish*.sql")):
        await connection.execute(load(projection.folder, statement.stem))
