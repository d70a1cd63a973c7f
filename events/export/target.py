"""Where an export goes: a file, gone on with where a killed export left it, or standard output."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedRandom
from typing import BinaryIO, Final

from events.errors import ExportRefused, LogError
from events.export.compression import Compression, Torn, by_magic, by_name, chunks, pack
from events.export.reader import Piece

STANDARD_OUTPUT: Final = "-"

_ANEW: Final = "--force writes it anew"


@dataclass(frozen=True, slots=True)
class Target:
    """An opened target; ``piece`` is what stands there already, checked."""

    file: BinaryIO
    compression: Compression
    piece: Piece

    def write(self, lines: bytes) -> None:
        """Write lines as one frame, and hand them to the system.

        Raises:
            ExportRefused: the file cannot be written.
        """
        try:
            self.file.write(pack(self.compression, lines))
            self.file.flush()
        except OSError as error:
            raise _unwritable(self.piece.name, error) from error


@contextmanager
def open_target(
    name: str, compression: Compression | None = None, *, anew: bool = False
) -> Iterator[Target]:
    """Open a target, cut back to its last whole line or frame; on disk when this is left well.

    Without ``compression`` the file's ending says which. With ``anew`` what was there goes.

    Raises:
        ExportRefused: there is a finished export, or something else, or it cannot be written, or
            its name asks for gzip.
    """
    compression = compression or by_name(name)
    if name == STANDARD_OUTPUT:
        yield Target(sys.stdout.buffer, compression, Piece(name))
        return
    try:
        file = os.fdopen(os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b")
    except OSError as error:
        raise _unwritable(name, error) from error
    with file:
        _lock(file, name)
        piece, end = (Piece(name), 0) if anew else _resume(file, name, compression)
        file.seek(end)
        file.truncate()
        yield Target(file, compression, piece)
        os.fsync(file.fileno())


def _lock(file: BufferedRandom, name: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ExportRefused(f"{name} is being written by another export") from error


def _resume(file: BufferedRandom, name: str, compression: Compression) -> tuple[Piece, int]:
    first = file.peek(2)
    if not first:
        return Piece(name), 0
    try:
        found = by_magic(first)
        piece, end = _read(file, Piece(name), found)
    except LogError as error:
        raise ExportRefused(f"{name} is there and no export: {error}; {_ANEW}") from error
    if piece.header is None:
        raise ExportRefused(f"{name} is there and no export; {_ANEW}")
    if piece.trailer is not None:
        raise ExportRefused(f"{name} is finished, it ends at position {piece.position}; {_ANEW}")
    if found is not compression:
        raise ExportRefused(f"{name} has compression {found}, not {compression}; {_ANEW}")
    return piece, end


def _read(file: BufferedRandom, piece: Piece, compression: Compression) -> tuple[Piece, int]:
    """Check what stands there; gives how it stands at the last place where a writer may go on."""
    kept, end = piece.copy(), 0
    with suppress(Torn):
        for chunk in chunks(file, compression):
            for line in chunk.lines:
                piece.take(line)
            if chunk.whole:
                kept, end = piece.copy(), chunk.offset
    return kept, end


def _unwritable(name: str, error: OSError) -> ExportRefused:
    return ExportRefused(f"{name} cannot be written: {error.strerror or error}")
