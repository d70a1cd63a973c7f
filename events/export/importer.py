"""Brings an exported log into an empty ledger, whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from events.database import Connection, close_quietly, connect, load, translate_errors
from events.errors import AppendTimeout, ImportRefused
from events.export.format import Record
from events.export.reader import Batch, Reader
from events.export.writer import Advanced

_SQL: Final = Path(__file__).parents[1] / "sql"
OnRecords = Callable[[Sequence[Record]], None]
"""Sees the events of each batch, in the order of the log."""

BeforeCommit = Callable[[Connection], Awaitable[None]]
"""Does what must be committed together with the imported log."""

_STEPS: Final = ("import_events", "import_event_ids", "import_streams", "import_keys")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has brought: the ledger, and its last position."""

    ledger: str | None
    head: int


async def import_log(
    url: str,
    names: Sequence[str],
    advanced: Advanced,
    *,
    on_records: OnRecords,
    before_commit: BeforeCommit,
) -> Imported:
    """Read the pieces of an export, in order, into the log of ``url``, in one transaction.

    It works as the login role, as migrations do: the role of the service may not. ``advanced`` is
    told how many bytes of the files are done. By ``on_records`` and ``before_commit`` a room that
    keeps something beside the log, which knows nothing of it, brings that up to the imported log.

    Raises:
        BadExport: a line of a file is wrong; nothing was imported.
        ImportRefused: the log is not empty, another writer has it, or the role may not write it.
        LogUnavailable: the database does not answer.
    """
    connection = await connect(url, role=None)
    try:
        with translate_errors():
            async with connection.transaction():
                running = _Import(connection, Reader(names), on_records)
                imported = await running.run(advanced)
                await before_commit(connection)
                return imported
    finally:
        await close_quietly(connection)


@dataclass(slots=True)
class _Import:
    connection: asyncpg.Connection
    reader: Reader
    on_records: OnRecords
    head: int = 0

    async def run(self, advanced: Advanced) -> Imported:
        await self._begin()
        async with aclosing(_ahead(self.reader.batches())) as batches:
            async for batch in batches:
                if batch.records:
                    await self._store(batch.records)
                advanced(batch.size_bytes)
        await self._end()
        return Imported(self.reader.place.ledger, self.head)

    async def _begin(self) -> None:
        role, may = await self._row("import_role")
        if not may:
            raise ImportRefused(
                f"role {role} may not write the log: import as the one that owns it"
            )
        try:
            with translate_errors():
                (head,) = await self._row("import_begin")
        except AppendTimeout as error:
            raise ImportRefused("another writer has this ledger; stop it and try again") from error
        if head > 0:
            raise ImportRefused(
                f"the ledger has {head} events already, and only an empty one can take a log:"
                " make a new database, run `flowledger migrate` on it, and import there"
            )
        await self._execute("import_batch")

    async def _store(self, records: list[Record]) -> None:
        await self._execute("import_clear")
        await self.connection.copy_records_to_table(
            "import_batch", schema_name="pg_temp", records=records
        )
        if fault := await self._row("import_faults"):
            raise self.reader.bad(*fault)
        last = records[-1]
        await self._execute("import_head", last.position, last.recorded_at)
        # It looks at the head for what is needed.
        await self._execute("ensure_partitions")
        for step in _STEPS:
            await self._execute(step)
        self.head = last.position
        self.on_records(records)

    async def _end(self) -> None:
        if unfinished := await self._row("import_end"):
            first, last = unfinished
            raise self.reader.bad(
                first, f"its request goes on up to position {last}: a piece is missing at the end"
            )

    async def _execute(self, name: str, *parameters: object) -> None:
        await self.connection.execute(load(_SQL, name), *parameters)

    async def _row(self, name: str) -> Any:  # noqa: ANN401 - a row, or None
        return await self.connection.fetchrow(load(_SQL, name))


async def _ahead(batches: Iterator[Batch]) -> AsyncGenerator[Batch, None]:
    """Read each batch on a thread, while the database works on the one before."""

    def read() -> asyncio.Future[Batch | None]:
        return asyncio.ensure_future(asyncio.to_thread(next, batches, None))

    reading = read()
    try:
        while batch := await reading:
            reading = read()
            yield batch
    finally:
        # Whatever ends the import: the thread is not left alone with the file.
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.exception()
