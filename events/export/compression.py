"""Reads and writes lines, plain or as zstd frames: a writer can resume after any whole frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath
from typing import BinaryIO, Final

import zstandard

from events.errors import ExportRefused, InvalidEvent
from events.export.format import MAX_LINE

COMPRESSED_READ_BYTES: Final = 4096
"""Compressed bytes decompressed at once, which bounds the memory of a malicious file."""

PLAIN_READ_BYTES: Final = 2**17

_ZSTD_LEVEL: Final = 3


class Compression(StrEnum):
    """How the bytes of a file are compressed."""

    NONE = "none"
    ZSTD = "zstd"


_ZSTD_MAGIC: Final = b"\x28\xb5"
_GZIP_MAGIC: Final = b"\x1f\x8b"


class Truncated(InvalidEvent):
    """The file ends within a line or a frame."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines, without their newlines.

    ``offset`` is where they end in the file. ``resumable`` says that a writer may continue there:
    a line and a frame end at it.
    """

    lines: list[bytes]
    offset: int
    resumable: bool


_Slice = tuple[bytes, int, bool]
"""Decompressed data, the file offset after it, and whether a frame ends there."""


def compression_of_name(path: str) -> Compression:
    """Choose the compression by the ending of a file's name: ``.zst``, else none.

    >>> compression_of_name("ledger.ndjson.zst").value
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


def compression_of_content(first: bytes) -> Compression:
    """Recognise the compression by the first two bytes of a file.

    Raises:
        InvalidEvent: they are those of gzip.
    """
    if first.startswith(_GZIP_MAGIC):
        raise InvalidEvent("the file is gzip, which is not read here: run gunzip on it first")
    return Compression.ZSTD if first.startswith(_ZSTD_MAGIC) else Compression.NONE


def compress(compression: Compression, data: bytes) -> bytes:
    """Compress data to one frame; the same data gives the same bytes."""
    if compression is Compression.NONE:
        return data
    return zstandard.ZstdCompressor(_ZSTD_LEVEL, write_checksum=True).compress(data)


def read_chunks(file: BinaryIO, compression: Compression) -> Iterator[Chunk]:
    """Read a file's lines, in memory bounded by the longest line.

    Raises:
        Truncated: the file ends within a line or a frame; all chunks before were yielded.
        InvalidEvent: the compressed data is corrupt, or a line is too long.
    """
    partial: list[bytes] = []
    size = 0
    slices = _read_plain(file) if compression is Compression.NONE else _decompress(file)
    for data, offset, frame_ends in slices:
        head, newline, tail = data.rpartition(b"\n")
        lines: list[bytes] = []
        if newline:
            lines = b"".join((*partial, head)).split(b"\n")
            partial, size = [], 0
        if tail:
            partial.append(tail)
            size += len(tail)
        if size > MAX_LINE:
            raise InvalidEvent(f"the line is longer than {MAX_LINE} bytes")
        if compression is Compression.NONE:
            yield Chunk(lines, offset - size, resumable=True)
        else:
            yield Chunk(lines, offset, resumable=frame_ends and not partial)
    if partial:
        raise Truncated("the file ends in the middle of a line")


def _read_plain(file: BinaryIO) -> Iterator[_Slice]:
    offset = 0
    while data := file.read(PLAIN_READ_BYTES):
        offset += len(data)
        yield data, offset, True


def _decompress(file: BinaryIO) -> Iterator[_Slice]:
    offset = 0
    frame: zstandard.ZstdDecompressionObj | None = None
    while data := file.read(COMPRESSED_READ_BYTES):
        offset += len(data)
        while data:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            try:
                decompressed = frame.decompress(data)
            except zstandard.ZstdError as error:
                raise InvalidEvent(f"the compressed data is corrupt: {error}") from error
            data = frame.unused_data if frame.eof else b""
            yield decompressed, offset - len(data), frame.eof
            if frame.eof:
                frame = None
    if frame is not None:
        raise Truncated("the file ends in the middle of its compressed data")
