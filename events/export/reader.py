"""Reads exported files and checks them line by line, as far as files alone can tell."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from io import BufferedReader
from typing import Final, Self

from events.errors import BadExport, InvalidEvent, MalformedJson
from events.export.compression import Chunk, compression_of_content, read_chunks
from events.export.format import Header, Record, Trailer, parse_header, parse_line

BATCH_EVENTS: Final = 2_000
"""Events of a batch at most."""

BATCH_BYTES: Final = 8 * 2**20
"""Bytes of lines after which a batch ends."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a log has been read: ledger, last position, its time; None where unknown."""

    ledger: str | None = None
    position: int | None = None
    recorded_at: datetime | None = None


START: Final = Cursor(position=0)
"""Before the first file of a whole log."""


@dataclass(slots=True)
class ExportFile:
    """One file of an export, checked line by line.

    ``cursor`` is where the file must continue; ``position`` and ``recorded_at`` are those of its
    last event so far. Every method raises `BadExport`, which names the line.
    """

    name: str
    cursor: Cursor = Cursor()
    header: Header | None = None
    trailer: Trailer | None = None
    lines: int = 0
    position: int = 0
    recorded_at: datetime | None = None
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add_line(self, line: bytes) -> Record | None:
        """Check the next line, without its newline; return its event, if it is an event's."""
        self.lines += 1
        try:
            return self._add_line(line)
        except (InvalidEvent, MalformedJson) as error:
            raise self.error(str(error)) from error

    def add_written(self, lines: bytes, last: int) -> None:
        """Add lines that an export has just written, up to the event at position ``last``."""
        self.digest.update(lines)
        self.position = last

    def finish(self) -> Cursor:
        """Check that the file is complete; return where the next one must continue."""
        if self.trailer is None:
            self.lines += 1
            raise self.error("the file is truncated: it has no trailer")
        assert self.header is not None  # noqa: S101 - a trailer comes after it
        ledger = self.header.ledger or self.cursor.ledger
        return Cursor(ledger, self.position, self.recorded_at)

    def error(self, reason: str) -> BadExport:
        """Make the error that names the last line added."""
        return BadExport(self.name, self.lines, reason)

    def expected_trailer(self) -> Trailer:
        """Compute the trailer for the lines so far."""
        assert self.header is not None  # noqa: S101 - the first line of every file
        after = self.header.after
        first, last = (after + 1, self.position) if self.position > after else (None, None)
        return Trailer(first, last, self.position - after, self.digest.hexdigest())

    def copy(self) -> Self:
        """Copy the state of the check, the running checksum included."""
        duplicate = copy(self)
        duplicate.digest = self.digest.copy()
        return duplicate

    def _add_line(self, line: bytes) -> Record | None:
        if self.header is None:
            self._add_header(parse_header(line))
        elif self.trailer is not None:
            raise InvalidEvent("nothing may follow the trailer")
        else:
            parsed = parse_line(line)
            if isinstance(parsed, Trailer):
                self._add_trailer(parsed)
                return None
            self._add_record(parsed)
            self.digest.update(line + b"\n")
            return parsed
        self.digest.update(line + b"\n")
        return None

    def _add_header(self, header: Header) -> None:
        known, position = self.cursor.ledger, self.cursor.position
        if known is not None and header.ledger not in (None, known):
            raise InvalidEvent(f"this file is of ledger {header.ledger}, not of {known}")
        if position is not None and header.after != position:
            raise InvalidEvent(
                f"this file begins after position {header.after}, not after {position}:"
                " a file is missing, or they are not in order"
            )
        self.header, self.position = header, header.after
        self.recorded_at = self.cursor.recorded_at

    def _add_record(self, record: Record) -> None:
        assert self.header is not None  # noqa: S101 - the caller has looked
        expected = self.position + 1
        if record.position < expected:
            raise InvalidEvent(
                f"position {record.position} is repeated or out of order, expected {expected}"
            )
        if record.position > expected:
            raise InvalidEvent(f"positions {expected} to {record.position - 1} are missing")
        if expected > self.header.to:
            raise InvalidEvent(
                f"position {expected} is beyond {self.header.to}, where this file should end"
            )
        if self.recorded_at is not None and record.recorded_at < self.recorded_at:
            raise InvalidEvent(
                f"recorded_us {record.recorded_us} is earlier than that of the previous event"
            )
        if record.leaf() != record.leaf_hash:
            raise InvalidEvent("the leaf hash does not match: the event was changed")
        if expected == 1 and record.leaf_hash.hex() != self.header.ledger:
            raise InvalidEvent(f"this is not the first event of ledger {self.header.ledger}")
        self.position, self.recorded_at = expected, record.recorded_at

    def _add_trailer(self, trailer: Trailer) -> None:
        assert self.header is not None  # noqa: S101 - the caller has looked
        expected = self.expected_trailer()
        if self.position != self.header.to:
            raise InvalidEvent(
                f"the file ends at position {self.position}, not at {self.header.to}"
            )
        if trailer.sha256 != expected.sha256:
            raise InvalidEvent(
                f"the lines before have the checksum {expected.sha256}, not {trailer.sha256}:"
                " the file was changed"
            )
        if trailer != expected:
            raise InvalidEvent(f"the trailer should be {expected}")
        self.trailer = trailer


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Consecutive events of one file, for which ``size_bytes`` of it were read."""

    records: list[Record]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _FileRange:
    """The events of a file are those after ``after``, up to the next file's."""

    name: str
    after: int


class Reader:
    """Reads files one after the other, in bounded memory; each must continue the one before.

    Whether stream versions, event ids and keys are right, only the whole log can tell: import
    checks them in the database.
    """

    def __init__(self, names: Sequence[str], cursor: Cursor = START) -> None:
        self._names = names
        self._ranges: list[_FileRange] = []
        self.cursor = cursor

    def batches(self) -> Iterator[RecordBatch]:
        """Read and check all events.

        Raises:
            BadExport: a file cannot be read, or one of its lines is wrong.
        """
        for name in self._names:
            export_file = ExportFile(name, self.cursor)
            with _open(export_file) as file:
                yield from self._batches(export_file, file)
            self.cursor = export_file.finish()

    def error_at(self, position: int, reason: str) -> BadExport:
        """Make the error that names the line of an event that was read before."""
        found = next(each for each in reversed(self._ranges) if each.after < position)
        return BadExport(found.name, position - found.after + 1, reason)

    def _batches(self, export_file: ExportFile, file: BufferedReader) -> Iterator[RecordBatch]:
        records: list[Record] = []
        size = reported = offset = 0
        for chunk in _read(export_file, file):
            offset = chunk.offset
            for line in chunk.lines:
                if record := export_file.add_line(line):
                    records.append(record)
                    size += len(line)
                elif export_file.trailer is None:
                    self._ranges.append(_FileRange(export_file.name, export_file.position))
                if len(records) >= BATCH_EVENTS or size >= BATCH_BYTES:
                    yield RecordBatch(records, offset - reported)
                    records, size, reported = [], 0, offset
        yield RecordBatch(records, offset - reported)


def _read(export_file: ExportFile, file: BufferedReader) -> Iterator[Chunk]:
    try:
        yield from read_chunks(file, compression_of_content(file.peek(2)))
    except InvalidEvent as error:
        export_file.lines += 1
        raise export_file.error(str(error)) from error


@contextmanager
def _open(export_file: ExportFile) -> Iterator[BufferedReader]:
    source = 0 if export_file.name == "-" else export_file.name
    try:
        with open(source, "rb") as file:  # noqa: PTH123 - or a number
            yield file
    except OSError as error:
        raise export_file.error(f"cannot be read: {error.strerror or error}") from error
