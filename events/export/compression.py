"""Files as members, each whole in itself: one can be cut behind a member and gone on with."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath
from typing import BinaryIO, Final, Protocol

import zstandard

from events.errors import InvalidEvent
from events.export.format import MAX_LINE

SLICE: Final = 4096
"""Compressed bytes unpacked at once: what they can grow to stays small."""

PLAIN_SLICE: Final = 2**17

_GZIP: Final = 31  # zlib's number for the gzip container
_ZSTD_LEVEL: Final = 3


class Compression(StrEnum):
    """How the bytes of a file are packed."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


_ENDINGS: Final = {".gz": Compression.GZIP, ".zst": Compression.ZSTD}
_MAGIC: Final = {b"\x1f\x8b": Compression.GZIP, b"\x28\xb5": Compression.ZSTD}


class Torn(InvalidEvent):
    """The file ends in the middle."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines, without their newlines.

    ``offset`` is how much of the file they and those before them take. ``whole`` says that a writer
    may go on there: it is the end of a line, and of a member.
    """

    lines: list[bytes]
    offset: int
    whole: bool


_Unpacked = tuple[bytes, int, bool]
"""Data, the offset in the file behind it, and whether a member ends there."""


class _Member(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def by_name(path: str) -> Compression:
    """Tell the compression that a file's ending stands for.

    >>> by_name("ledger.ndjson.zst").value
    'zstd'
    """
    return _ENDINGS.get(PurePath(path).suffix, Compression.NONE)


def by_magic(first: bytes) -> Compression:
    """Tell the compression by the first two bytes of a file."""
    return _MAGIC.get(first[:2], Compression.NONE)


def pack(compression: Compression, data: bytes) -> bytes:
    """Make one member of this data; the same data gives the same bytes."""
    match compression:
        case Compression.NONE:
            return data
        case Compression.GZIP:
            packer = zlib.compressobj(wbits=_GZIP)
            return packer.compress(data) + packer.flush()
        case Compression.ZSTD:
            return zstandard.ZstdCompressor(_ZSTD_LEVEL, write_checksum=True).compress(data)


def chunks(file: BinaryIO, compression: Compression) -> Iterator[Chunk]:
    """Read a file's lines, in memory that its longest line bounds.

    Raises:
        Torn: the file ends in the middle of a line or of a member; all before it was given.
        InvalidEvent: the compressed data is broken, or a line is too long.
    """
    rest: list[bytes] = []
    size = 0
    for data, at, ends in _data(file, compression):
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


def _data(file: BinaryIO, compression: Compression) -> Iterator[_Unpacked]:
    match compression:
        case Compression.NONE:
            return _plain(file)
        case Compression.GZIP:
            return _unpacked(file, lambda: zlib.decompressobj(wbits=_GZIP))
        case Compression.ZSTD:
            return _unpacked(file, lambda: zstandard.ZstdDecompressor().decompressobj())


def _plain(file: BinaryIO) -> Iterator[_Unpacked]:
    at = 0
    while data := file.read(PLAIN_SLICE):
        at += len(data)
        yield data, at, True


def _unpacked(file: BinaryIO, new: Callable[[], _Member]) -> Iterator[_Unpacked]:
    at = 0
    member: _Member | None = None
    while data := file.read(SLICE):
        at += len(data)
        while data:
            member = member or new()
            try:
                unpacked = member.decompress(data)
            except (zlib.error, zstandard.ZstdError) as error:
                raise InvalidEvent(f"the compressed data is broken: {error}") from error
            data = member.unused_data if member.eof else b""
            yield unpacked, at - len(data), member.eof
            if member.eof:
                member = None
    if member is not None:
        raise Torn("the file ends in the middle of its compressed data")
