"""Imports an exported log into an empty ledger, in one transaction."""

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
from events.export.reader import Reader, RecordBatch
from events.export.writer import OnProgress

_SQL: Final = Path(__file__).parents[1] / "sql"
OnRecords = Callable[[Sequence[Record]], None]
"""Called with the events of each batch, in the order of the log."""

BeforeCommit = Callable[[Connection], Awaitable[None]]
"""Called at the end, within the transaction of the import."""

_STEPS: Final = ("import_events", "import_event_ids", "import_streams", "import_keys")


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The imported ledger and its last position."""

    ledger: str | None
    head: int


async def import_log(
    url: str,
    names: Sequence[str],
    on_progress: OnProgress,
    *,
    on_records: OnRecords,
    before_commit: BeforeCommit,
) -> ImportResult:
    """Import the files of an export, in their order, into the log of ``url``.

    It works as the login role, like migrations: the service's role may not write the log.
    ``on_progress`` gets the number of bytes read. A caller brings its own tables up to the imported
    log by ``on_records`` and ``before_commit``.

    Raises:
        BadExport: a line of a file is wrong; nothing was imported.
        ImportRefused: the log is not empty or has another writer, or the role may not write it.
        LogUnavailable: the database does not answer.
    """
    connection = await connect(url, role=None)
    try:
        with translate_errors():
            async with connection.transaction():
                running = _Import(connection, Reader(names), on_records)
                imported = await running.run(on_progress)
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

    async def run(self, on_progress: OnProgress) -> ImportResult:
        await self._begin()
        async with aclosing(_prefetch(self.reader.batches())) as batches:
            async for batch in batches:
                if batch.records:
                    await self._store(batch.records)
                on_progress(batch.size_bytes)
        await self._end()
        return ImportResult(self.reader.cursor.ledger, self.head)

    async def _begin(self) -> None:
        role, may = await self._row("import_check_role")
        if not may:
            raise ImportRefused(
                f"role {role} may not write the log: import as the role that owns it"
            )
        try:
            with translate_errors():
                (head,) = await self._row("import_lock_head")
        except AppendTimeout as error:
            raise ImportRefused(
                "another process is writing to this ledger: stop it and try again"
            ) from error
        if head > 0:
            raise ImportRefused(
                f"the ledger has {head} events already; import needs an empty one: make a new"
                " database, run `flowledger migrate` on it, and import there"
            )
        await self._execute("import_create_batch")

    async def _store(self, records: list[Record]) -> None:
        await self._execute("import_clear_batch")
        await self.connection.copy_records_to_table(
            "import_batch", schema_name="pg_temp", records=records
        )
        if fault := await self._row("import_find_fault"):
            raise self.reader.error_at(*fault)
        last = records[-1]
        await self._execute("import_advance_head", last.position, last.recorded_at)
        # It makes the partitions for the head, so the head comes first.
        await self._execute("ensure_partitions")
        for step in _STEPS:
            await self._execute(step)
        self.head = last.position
        self.on_records(records)

    async def _end(self) -> None:
        if unfinished := await self._row("import_unfinished_request"):
            first, last = unfinished
            raise self.reader.error_at(
                first, f"its request continues up to position {last}: the last file is missing"
            )

    async def _execute(self, name: str, *parameters: object) -> None:
        await self.connection.execute(load(_SQL, name), *parameters)

    async def _row(self, name: str) -> Any:  # noqa: ANN401 - a row, or None
        return await self.connection.fetchrow(load(_SQL, name))


async def _prefetch(batches: Iterator[RecordBatch]) -> AsyncGenerator[RecordBatch, None]:
    """Read each batch on a thread while the database stores the one before."""

    def read() -> asyncio.Future[RecordBatch | None]:
        return asyncio.ensure_future(asyncio.to_thread(next, batches, None))

    reading = read()
    try:
        while batch := await reading:
            reading = read()
            yield batch
    finally:
        # However the import ends, wait for the thread before its file is closed.
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.exception()
