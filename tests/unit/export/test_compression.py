"""Compressed lines can be read by us and by the zstd program."""

from __future__ import annotations

import io
import shutil
import subprocess

import pytest

from events.errors import InvalidEvent
from events.export.compression import Compression, Truncated, compress, read_chunks

LINES = [f"{number} {'x' * (number % 700)}".encode() for number in range(3000)]


def compressed(compression: Compression) -> bytes:
    frames = (LINES[first : first + 100] for first in range(0, len(LINES), 100))
    return b"".join(
        compress(compression, b"".join(line + b"\n" for line in each)) for each in frames
    )


@pytest.mark.parametrize("compression", list(Compression))
def test_read_chunks_returns_all_lines_and_every_frame_end(compression):
    found = list(read_chunks(io.BytesIO(compressed(compression)), compression))
    assert [line for chunk in found for line in chunk.lines] == LINES
    assert found[-1].resumable
    assert found[-1].offset == len(compressed(compression))
    if compression is not Compression.NONE:
        assert sum(chunk.resumable for chunk in found) == 30


def test_file_cut_at_a_frame_end_is_resumable_there():
    raw = compressed(Compression.ZSTD)
    ends = [
        chunk.offset for chunk in read_chunks(io.BytesIO(raw), Compression.ZSTD) if chunk.resumable
    ]
    for end in ends[::7]:
        found = list(read_chunks(io.BytesIO(raw[:end]), Compression.ZSTD))
        assert found[-1].resumable
        with pytest.raises(Truncated):
            list(read_chunks(io.BytesIO(raw[: end - 1]), Compression.ZSTD))


@pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed here")
def test_zstd_program_reads_our_frames():
    done = subprocess.run(
        ["zstd", "-dc"], input=compressed(Compression.ZSTD), capture_output=True, check=True
    )
    assert done.stdout.splitlines() == LINES


@pytest.mark.parametrize("compression", list(Compression))
def test_same_data_compresses_to_same_bytes(compression):
    assert compressed(compression) == compressed(compression)


@pytest.mark.parametrize("compression", list(Compression))
def test_endless_line_is_refused_at_the_bound(monkeypatch, compression):
    monkeypatch.setattr("events.export.compression.MAX_LINE", 1_000_000)
    # 20 MB of one line, of which a compressed file has a few kilobytes
    endless = io.BytesIO(compress(compression, b"x" * 100_000) * 200)
    with pytest.raises(InvalidEvent, match="longer than 1000000 bytes"):
        list(read_chunks(endless, compression))
    assert endless.tell() < len(endless.getvalue())
