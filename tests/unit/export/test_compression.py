"""What is compressed can be unpacked, by us and by the zstd program."""

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
def test_all_lines_come_back_and_every_end_of_a_frame_is_known(compression):
    found = list(read_chunks(io.BytesIO(compressed(compression)), compression))
    assert [line for chunk in found for line in chunk.lines] == LINES
    assert found[-1].resumable
    assert found[-1].offset == len(compressed(compression))
    if compression is not Compression.NONE:
        assert sum(chunk.resumable for chunk in found) == 30


def test_a_file_cut_behind_a_whole_chunk_is_whole_up_to_there():
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
def test_zstd_is_read_by_zstd():
    done = subprocess.run(
        ["zstd", "-dc"], input=compressed(Compression.ZSTD), capture_output=True, check=True
    )
    assert done.stdout.splitlines() == LINES


@pytest.mark.parametrize("compression", list(Compression))
def test_the_same_data_gives_the_same_bytes(compression):
    assert compressed(compression) == compressed(compression)


@pytest.mark.parametrize("compression", list(Compression))
def test_of_a_line_without_end_no_more_is_read_than_the_bound(monkeypatch, compression):
    monkeypatch.setattr("events.export.compression.MAX_LINE", 1_000_000)
    # 20 MB of one line, of which a compressed file has a few kilobytes
    endless = io.BytesIO(compress(compression, b"x" * 100_000) * 200)
    with pytest.raises(InvalidEvent, match="longer than 1000000 bytes"):
        list(read_chunks(endless, compression))
    assert endless.tell() < len(endless.getvalue())
