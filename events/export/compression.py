"""Reads and writes lines, plain or as zstd frames: a file can go on after any whole frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath
from typing import BinaryIO, Final

import zstandard

from events.errors import ExportRefused, InvalidEvent
from events.export.format import MAX_LINE

SLICE: Final = 4096
"""Compressed bytes unpacked at once: what they can grow to stays small."""

PLAIN_SLICE: Final = 2**17

_ZSTD_LEVEL: Final = 3


class Compression(StrEnum):
    """How the bytes of a file are packed."""

    NONE = "none"
    ZSTD = "zstd"


_ZSTD_MAGIC: Final = b"\x28\xb5"
_GZIP_MAGIC: Final = b"\x1f\x8b"


class Torn(InvalidEvent):
    """The file ends in the middle."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines, without their newlines.

    ``offset`` is how much of the file they and those before them take. ``whole`` says that a writer
    may go on there: it is the end of a line, and of a frame.
    """

    lines: list[bytes]
    offset: int
    whole: bool


_Unpacked = tuple[bytes, int, bool]
"""Data, the offset in the file behind it, and whether a frame ends there."""


def by_name(path: str) -> Compression:
    """Tell the compression that a file's ending stands for; another ending is plain.

    >>> by_name("ledger.ndjson.zst").value
    'zstd'

    Raises:
        ExportRefused: the ending is that of gzip.
    """
    suffix = PurePath(path).suffix
    if suffix == ".gz":
        raise ExportRefused(
            f"{path}: an export is never gzip; let the name end in .zst, or export to - and pipe it"
            " into gzip"
        )
    return Compression.ZSTD if suffix == ".zst" else Compression.NONE


def by_magic(first: bytes) -> Compression:
    """Tell the compression by the first two bytes of a file.

    Raises:
        InvalidEvent: they are those of gzip.
    """
    if first.startswith(_GZIP_MAGIC):
        raise InvalidEvent("the file is gzip, which is not read here: run gunzip on it first")
    return Compression.ZSTD if first.startswith(_ZSTD_MAGIC) else Compression.NONE


def pack(compression: Compression, data: bytes) -> bytes:
    """Make one frame of this data; the same data gives the same bytes."""
    if compression is Compression.NONE:
        return data
    return zstandard.ZstdCompressor(_ZSTD_LEVEL, write_checksum=True).compress(data)


def chunks(file: BinaryIO, compression: Compression) -> Iterator[Chunk]:
    """Read a file's lines, in memory that its longest line bounds.

    Raises:
        Torn: the file ends in the middle of a line or of a frame; all before it was given.
        InvalidEvent: the compressed data is broken, or a line is too long.
    """
    rest: list[bytes] = []
    size = 0
    unpacked = _plain(file) if compression is Compression.NONE else _unpacked(file)
    for data, at, ends in unpacked:
        head, newline, tail = data.rpartition(b"\n")
        lines: list[bytes] = []
        if newline:
            lines = b"".join((*rest, head)).split(b"\n")
            rest, size = [], 0
        if tail:
            rest.append(tail)
            size += len(tail)
        if size > MAX_LINE:
            raise InvalidEvent(f"the line is longer than {MAX_LINE} bytes")
        if compression is Compression.NONE:
            yield Chunk(lines, at - size, whole=True)
        else:
            yield Chunk(lines, at, whole=ends and not rest)
    if rest:
        raise Torn("the file ends in the middle of a line")


def _plain(file: BinaryIO) -> Iterator[_Unpacked]:
    at = 0
    while data := file.read(PLAIN_SLICE):
        at += len(data)
        yield data, at, True


def _unpacked(file: BinaryIO) -> Iterator[_Unpacked]:
    at = 0
    frame: zstandard.ZstdDecompressionObj | None = None
    while data := file.read(SLICE):
        at += len(data)
        while data:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            try:
                unpacked = frame.decompress(data)
            except zstandard.ZstdError as error:
                raise InvalidEvent(f"the compressed data is broken: {error}") from error
            data = frame.unused_data if frame.eof else b""
            yield unpacked, at - len(data), frame.eof
            if frame.eof:
                frame = None
    if frame is not None:
        raise Torn("the file ends in the middle of its compressed data")
