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
from events.export.compression import Chunk, by_magic, chunks
from events.export.format import Header, Record, Trailer, parse_header, parse_line

BATCH: Final = 2_000
"""Events of a batch at most."""

BATCH_BYTES: Final = 8 * 2**20
"""Bytes of lines after which a batch ends."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the log stands before a piece: of whom, how far, how late; None where nothing says."""

    ledger: str | None = None
    position: int | None = None
    recorded_at: datetime | None = None


START: Final = Place(position=0)
"""Before the first piece of a whole log."""


@dataclass(slots=True)
class Piece:
    """One file of an export, checked line by line.

    ``position`` and ``recorded_at`` are those of the last event taken. Every method raises
    `BadExport`, which names the line.
    """

    name: str
    place: Place = Place()
    header: Header | None = None
    trailer: Trailer | None = None
    lines: int = 0
    position: int = 0
    recorded_at: datetime | None = None
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def take(self, line: bytes) -> Record | None:
        """Check the next line, without its newline; gives the event if it is one's."""
        self.lines += 1
        try:
            return self._take(line)
        except (InvalidEvent, MalformedJson) as error:
            raise self.bad(str(error)) from error

    def end(self) -> Place:
        """Check that this is the end of a whole piece; gives the place behind it."""
        if self.trailer is None:
            self.lines += 1
            raise self.bad("the file is torn: it ends without its trailer")
        assert self.header is not None  # noqa: S101 - a trailer comes after it
        ledger = self.header.ledger or self.place.ledger
        return Place(ledger, self.position, self.recorded_at)

    def bad(self, reason: str) -> BadExport:
        """Name what is wrong with the last line taken."""
        return BadExport(self.name, self.lines, reason)

    def wrote(self, lines: bytes, last: int) -> None:
        """Take note of lines that were written now, up to the event at this position."""
        self.digest.update(lines)
        self.position = last

    def finish(self) -> Trailer:
        """Make the trailer of what was taken and written."""
        assert self.header is not None  # noqa: S101 - the first line of every piece
        after = self.header.after
        first, last = (after + 1, self.position) if self.position > after else (None, None)
        return Trailer(first, last, self.position - after, self.digest.hexdigest())

    def copy(self) -> Self:
        """Keep how it stands now."""
        kept = copy(self)
        kept.digest = self.digest.copy()
        return kept

    def _take(self, line: bytes) -> Record | None:
        if self.header is None:
            self._begin(parse_header(line))
        elif self.trailer is not None:
            raise InvalidEvent("nothing may follow the trailer")
        else:
            found = parse_line(line)
            if isinstance(found, Trailer):
                self._end(found)
                return None
            self._check(found)
            self.digest.update(line + b"\n")
            return found
        self.digest.update(line + b"\n")
        return None

    def _begin(self, header: Header) -> None:
        known, position = self.place.ledger, self.place.position
        if known is not None and header.ledger not in (None, known):
            raise InvalidEvent(f"this is a piece of ledger {header.ledger}, not of {known}")
        if position is not None and header.after != position:
            raise InvalidEvent(
                f"this piece begins after position {header.after}, and {position} is where it must:"
                " a piece is missing, or they are not in order"
            )
        self.header, self.position = header, header.after
        self.recorded_at = self.place.recorded_at

    def _check(self, record: Record) -> None:
        assert self.header is not None  # noqa: S101 - the caller has looked
        due = self.position + 1
        if record.position < due:
            raise InvalidEvent(f"position {record.position} comes again or too late, {due} is due")
        if record.position > due:
            raise InvalidEvent(f"positions {due} to {record.position - 1} are missing")
        if due > self.header.to:
            raise InvalidEvent(f"position {due} is beyond {self.header.to}, where this piece ends")
        if self.recorded_at is not None and record.recorded_at < self.recorded_at:
            raise InvalidEvent(f"recorded_us {record.recorded_us} is before the event before it")
        if record.leaf() != record.leaf_hash:
            raise InvalidEvent("the leaf hash is another: the event was changed")
        if due == 1 and record.leaf_hash.hex() != self.header.ledger:
            raise InvalidEvent(f"this event does not begin ledger {self.header.ledger}")
        self.position, self.recorded_at = due, record.recorded_at

    def _end(self, trailer: Trailer) -> None:
        assert self.header is not None  # noqa: S101 - the caller has looked
        whole = self.finish()
        if self.position != self.header.to:
            raise InvalidEvent(
                f"the piece ends at position {self.position}, not at {self.header.to}"
            )
        if trailer.sha256 != whole.sha256:
            raise InvalidEvent(
                f"the lines before have the checksum {whole.sha256}, not {trailer.sha256}:"
                " the file was changed"
            )
        if trailer != whole:
            raise InvalidEvent(f"the trailer should say {whole}")
        self.trailer = trailer


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that follow each other in one piece; ``size_bytes`` of its file were read for them."""

    records: list[Record]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Span:
    name: str
    after: int


class Reader:
    """Reads pieces, one after the other, in bounded memory; each has to go on where the last ends.

    Whether a stream's versions, the event ids and the keys fit, only a whole log can tell: import
    asks the database.
    """

    def __init__(self, names: Sequence[str], place: Place = START) -> None:
        self._names = names
        self._spans: list[_Span] = []
        self.place = place

    def batches(self) -> Iterator[Batch]:
        """Give all events, checked.

        Raises:
            BadExport: a file cannot be read, or one of its lines is wrong.
        """
        for name in self._names:
            piece = Piece(name, self.place)
            with opened(piece) as file:
                yield from self._batches(piece, file)
            self.place = piece.end()

    def bad(self, position: int, reason: str) -> BadExport:
        """Name the line of an event that was given before, and what is wrong with it."""
        span = next(span for span in reversed(self._spans) if span.after < position)
        return BadExport(span.name, position - span.after + 1, reason)

    def _batches(self, piece: Piece, file: BufferedReader) -> Iterator[Batch]:
        records: list[Record] = []
        size = done = offset = 0
        for chunk in checked(piece, file):
            offset = chunk.offset
            for line in chunk.lines:
                if record := piece.take(line):
                    records.append(record)
                    size += len(line)
                elif piece.trailer is None:
                    self._spans.append(_Span(piece.name, piece.position))
                if len(records) >= BATCH or size >= BATCH_BYTES:
                    yield Batch(records, offset - done)
                    records, size, done = [], 0, offset
        yield Batch(records, offset - done)


def checked(piece: Piece, file: BufferedReader) -> Iterator[Chunk]:
    """Give a file's chunks; what is wrong with them is named with the line at which it shows.

    Raises:
        BadExport: the data is broken or torn.
    """
    try:
        yield from chunks(file, by_magic(file.peek(2)))
    except InvalidEvent as error:
        piece.lines += 1
        raise piece.bad(str(error)) from error


@contextmanager
def opened(piece: Piece) -> Iterator[BufferedReader]:
    """Open a piece's file, or standard input for ``-``."""
    try:
        with open(0 if piece.name == "-" else piece.name, "rb") as file:  # noqa: PTH123 - or a number
            yield file
    except OSError as error:
        raise piece.bad(f"cannot be read: {error.strerror or error}") from error
