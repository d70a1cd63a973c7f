"""Writes the log to a file or standard output, resuming an unfinished export, in bounded memory."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO, Final

import asyncpg

from events.database import load, translate_errors
from events.envelope import Position
from events.errors import ExportRefused, LogError, MissingPositions
from events.export.compression import (
    Compression,
    Truncated,
    compress,
    compression_of_content,
    compression_of_name,
    read_chunks,
)
from events.export.format import Header, Record, Trailer, event_line, header_line, trailer_line
from events.export.reader import ExportFile

STANDARD_OUTPUT: Final = "-"

_OWNERS_ALONE: Final = 0o600
"""The mode of a file: an export has the data of all tenants."""

FRAME_BYTES: Final = 2**20
"""Bytes of lines after which a frame ends; a killed export repeats at most this much."""

PAGE_EVENTS: Final = 2_000
"""Events read at once, at most."""

PAGE_BYTES: Final = 8 * 2**20
"""Bytes of bodies and metadata read at once, or one event."""

OnProgress = Callable[[int], object]
"""Called with the amount of work done since the last call, for a progress bar."""

_SQL: Final = Path(__file__).parents[1] / "sql"
_OVERWRITE: Final = "--force overwrites it"


@dataclass(frozen=True, slots=True)
class Target:
    """Where an export is written; ``export_file`` is what it holds already, checked."""

    file: BinaryIO
    compression: Compression
    export_file: ExportFile

    def write(self, lines: bytes) -> None:
        """Write lines as one frame, and hand them to the system.

        Raises:
            ExportRefused: the file cannot be written.
        """
        try:
            self.file.write(compress(self.compression, lines))
            self.file.flush()
        except OSError as error:
            raise _unwritable(self.export_file.name, error) from error


@contextmanager
def open_target(
    name: str, compression: Compression | None = None, *, overwrite: bool = False
) -> Iterator[Target]:
    """Open and lock a target, truncated to its last whole line or frame.

    Without ``compression`` the file's ending decides. The file is synced to disk at the end, unless
    there was an error.

    Raises:
        ExportRefused: it holds a finished export or something else, another export writes it, it
            cannot be written, or its name ends in ``.gz``.
    """
    compression = compression or compression_of_name(name)
    if name == STANDARD_OUTPUT:
        yield Target(sys.stdout.buffer, compression, ExportFile(name))
        return
    try:
        file = os.fdopen(os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNERS_ALONE), "r+b")
    except OSError as error:
        raise _unwritable(name, error) from error
    with file:
        _lock(file, name)
        export_file, end = (ExportFile(name), 0) if overwrite else _resume(file, name, compression)
        file.seek(end)
        file.truncate()
        yield Target(file, compression, export_file)
        os.fsync(file.fileno())


def _lock(file: BufferedRandom, name: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ExportRefused(f"{name} is being written by another export") from error


def _resume(file: BufferedRandom, name: str, compression: Compression) -> tuple[ExportFile, int]:
    first = file.peek(2)
    if not first:
        return ExportFile(name), 0
    try:
        existing = compression_of_content(first)
        export_file, end = _read_whole_frames(file, ExportFile(name), existing)
    except LogError as error:
        raise ExportRefused(f"{name} is there and no export: {error}; {_OVERWRITE}") from error
    if export_file.header is None:
        raise ExportRefused(f"{name} is there and no export; {_OVERWRITE}")
    if export_file.trailer is not None:
        raise ExportRefused(
            f"{name} is finished, it ends at position {export_file.position}; {_OVERWRITE}"
        )
    if existing is not compression:
        raise ExportRefused(f"{name} has compression {existing}, not {compression}; {_OVERWRITE}")
    return export_file, end


def _read_whole_frames(
    file: BufferedRandom, export_file: ExportFile, compression: Compression
) -> tuple[ExportFile, int]:
    """Check an unfinished export; return its state and offset where a writer may resume."""
    resumable, end = export_file.copy(), 0
    with suppress(Truncated):
        for chunk in read_chunks(file, compression):
            for line in chunk.lines:
                export_file.add_line(line)
            if chunk.resumable:
                resumable, end = export_file.copy(), chunk.offset
    return resumable, end


def _unwritable(name: str, error: OSError) -> ExportRefused:
    return ExportRefused(f"{name} cannot be written: {error.strerror or error}")


@dataclass(frozen=True, slots=True)
class Export:
    """An export whose header is written; `run` writes the rest."""

    pool: asyncpg.Pool
    target: Target
    header: Header

    @property
    def remaining(self) -> int:
        """The number of events still to write."""
        return self.header.to - self.target.export_file.position

    async def run(self, on_progress: OnProgress) -> Trailer:
        """Write the remaining events and the trailer.

        Raises:
            MissingPositions: the log has a hole.
            InvalidEvent: an event's stored bytes are no text.
            ExportRefused: the file cannot be written.
            LogUnavailable: the database went away; the same export can be resumed later.
        """
        lines: list[bytes] = []
        size = 0
        async for page in self._pages():
            for record in page:
                lines.append(line := event_line(record))
                size += len(line)
                if size >= FRAME_BYTES:
                    self._write(lines, record.position)
                    lines, size = [], 0
            on_progress(len(page))
        if lines:
            self._write(lines, self.header.to)
        trailer = self.target.export_file.expected_trailer()
        self.target.write(trailer_line(trailer))
        return trailer

    def _write(self, lines: Sequence[bytes], last: int) -> None:
        frame = b"".join(lines)
        self.target.write(frame)
        self.target.export_file.add_written(frame, last)

    async def _pages(self) -> AsyncIterator[list[Record]]:
        position = self.target.export_file.position
        while position < self.header.to:
            page = await self._page(position)
            for expected, record in enumerate(page, position + 1):
                if record.position != expected:
                    raise MissingPositions(Position(expected), Position(record.position))
            if not page:
                raise MissingPositions(Position(position + 1), Position(self.header.to))
            yield page
            position = page[-1].position

    async def _page(self, after: int) -> list[Record]:
        to = min(after + PAGE_EVENTS, self.header.to)
        with translate_errors():
            rows = await self.pool.fetch(load(_SQL, "export"), after, to, PAGE_BYTES)
        return [Record(*row) for row in rows]


async def start_export(
    pool: asyncpg.Pool, target: Target, *, after: int | None = None, to: int | None = None
) -> Export:
    """Start an export of the positions beyond ``after`` up to ``to``, or resume the target's.

    By default from the first position to the last that the log has now.

    Raises:
        ExportRefused: the log does not have these positions, or the target holds an export of
            another log or range.
        LogUnavailable: the database does not answer.
    """
    with translate_errors():
        [(head, first)] = await pool.fetch(load(_SQL, "ledger"))
    if head and first is None:
        raise MissingPositions(Position(1), Position(head))
    ledger = first and first.hex()
    header = target.export_file.header
    if header is None:
        header = Header(ledger, after or 0, head if to is None else to)
        _check_range(header, head)
        line = header_line(header)
        target.write(line)
        target.export_file.add_line(line[:-1])
    elif (header.ledger, header.after, header.to) != (
        header.ledger and ledger,
        header.after if after is None else after,
        header.to if to is None else to,
    ):
        raise ExportRefused(
            f"{target.export_file.name} is an unfinished export of ledger {header.ledger} from"
            f" {header.after} to {header.to}: resume it with those, or --force overwrites it"
        )
    _check_range(header, head)
    return Export(pool, target, header)


def _check_range(header: Header, head: int) -> None:
    if header.to > head:
        raise ExportRefused(f"the log ends at position {head}, not at {header.to}")
    if header.after > header.to:
        raise ExportRefused(f"nothing lies after position {header.after} up to {header.to}")
