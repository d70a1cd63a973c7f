"""Writes the log to a target, up to a fixed position and in bounded memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from events.database import load, translate_errors
from events.envelope import Position
from events.errors import ExportRefused, MissingPositions
from events.export.format import Header, Record, Trailer, event_line, header_line, trailer_line
from events.export.target import Target

FRAME_BYTES: Final = 2**20
"""Bytes of lines after which a frame ends, which is all that a killed export does again."""

PAGE: Final = 2_000
"""Events read at once, at most."""

PAGE_BYTES: Final = 8 * 2**20
"""Bytes of bodies and metadata read at once, or one event."""

Advanced = Callable[[int], object]
"""Called with how much more was done, for a progress bar."""

_SQL: Final = Path(__file__).parents[1] / "sql"


@dataclass(frozen=True, slots=True)
class Export:
    """An export that has begun; `run` writes what is left of it."""

    pool: asyncpg.Pool
    target: Target
    header: Header

    @property
    def left(self) -> int:
        """How many events are still to be written."""
        return self.header.to - self.target.piece.position

    async def run(self, advanced: Advanced) -> Trailer:
        """Write the events that are left, and the trailer.

        Raises:
            MissingPositions: the log has a hole.
            InvalidEvent: an event's stored bytes are no text.
            ExportRefused: the file cannot be written.
            LogUnavailable: the database went away; the same export goes on later.
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
            advanced(len(page))
        if lines:
            self._write(lines, self.header.to)
        trailer = self.target.piece.finish()
        self.target.write(trailer_line(trailer))
        return trailer

    def _write(self, lines: Sequence[bytes], last: int) -> None:
        frame = b"".join(lines)
        self.target.write(frame)
        self.target.piece.wrote(frame, last)

    async def _pages(self) -> AsyncIterator[list[Record]]:
        position = self.target.piece.position
        while position < self.header.to:
            page = await self._page(position)
            for due, record in enumerate(page, position + 1):
                if record.position != due:
                    raise MissingPositions(Position(due), Position(record.position))
            if not page:
                raise MissingPositions(Position(position + 1), Position(self.header.to))
            yield page
            position = page[-1].position

    async def _page(self, after: int) -> list[Record]:
        to = min(after + PAGE, self.header.to)
        with translate_errors():
            rows = await self.pool.fetch(load(_SQL, "export"), after, to, PAGE_BYTES)
        return [Record(*row) for row in rows]


async def begin(
    pool: asyncpg.Pool, target: Target, *, after: int | None = None, to: int | None = None
) -> Export:
    """Begin an export of the positions beyond ``after`` up to ``to``, or go on with the target's.

    Without them, from the first to the last that the log has now.

    Raises:
        ExportRefused: the log does not reach there, or the target holds another log's events, or
            other positions.
        LogUnavailable: the database does not answer.
    """
    with translate_errors():
        [(head, first)] = await pool.fetch(load(_SQL, "ledger"))
    if head and first is None:
        raise MissingPositions(Position(1), Position(head))
    ledger = first and first.hex()
    begun = target.piece.header
    if begun is None:
        begun = Header(ledger, after or 0, head if to is None else to)
        _check_range(begun, head)
        line = header_line(begun)
        target.write(line)
        target.piece.take(line[:-1])
    elif (begun.ledger, begun.after, begun.to) != (
        begun.ledger and ledger,
        begun.after if after is None else after,
        begun.to if to is None else to,
    ):
        raise ExportRefused(
            f"{target.piece.name} is an unfinished export of ledger {begun.ledger} from"
            f" {begun.after} to {begun.to}: go on with those, or --force writes it anew"
        )
    _check_range(begun, head)
    return Export(pool, target, begun)


def _check_range(header: Header, head: int) -> None:
    if header.to > head:
        raise ExportRefused(f"the log ends at position {head}, not at {header.to}")
    if header.after > header.to:
        raise ExportRefused(f"nothing lies after position {header.after} up to {header.to}")
