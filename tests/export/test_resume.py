"""A killed export resumes to the same bytes; any other file is left unchanged."""

from __future__ import annotations

from random import Random

import pytest

from events.errors import ExportRefused, MissingPositions
from events.export import writer
from events.export.compression import Compression
from events.export.writer import open_target, start_export
from tests.events.builders import request
from tests.export.transfer import export, fill

COMPRESSIONS = pytest.mark.parametrize("compression", list(Compression))


@pytest.fixture(autouse=True)
def small_frames(monkeypatch):
    """Many frames and many pages, for few events."""
    monkeypatch.setattr(writer, "FRAME_BYTES", 3000)
    monkeypatch.setattr(writer, "PAGE_EVENTS", 9)


@COMPRESSIONS
async def test_export_cut_anywhere_resumes_to_the_same_bytes(pool, log, tmp_path, compression):
    await fill(log)
    await export(pool, tmp_path / "whole", compression=compression)
    whole = (tmp_path / "whole").read_bytes()
    first = len(whole.split(b"\n")[0]) + 1 if compression is Compression.NONE else 120
    random = Random(3)
    cuts = [0, *(random.randrange(first, len(whole)) for _ in range(30)), len(whole) - 1]
    for cut in cuts:
        (tmp_path / "cut").write_bytes(whole[:cut])
        await export(pool, tmp_path / "cut", compression=compression)
        assert (tmp_path / "cut").read_bytes() == whole


async def test_resume_removes_garbage_after_the_last_whole_line(pool, log, tmp_path):
    await fill(log, 10)
    await export(pool, tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:3000] + b"\x00" * len(whole))
    await export(pool, tmp_path / "cut")
    assert (tmp_path / "cut").read_bytes() == whole


async def test_overwritten_export_keeps_nothing_of_the_old_file(pool, log, tmp_path):
    await fill(log, 10)
    await export(pool, tmp_path / "piece", to=3)
    await export(pool, tmp_path / "one")
    await export(pool, tmp_path / "one", to=3, overwrite=True)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "piece").read_bytes()


async def test_resumed_export_ends_at_its_original_position(pool, log, tmp_path):
    await fill(log, 10)
    trailer = await export(pool, tmp_path / "one")
    whole = (tmp_path / "one").read_bytes()
    await log.append([request("more")])
    (tmp_path / "one").write_bytes(whole[:-200])
    assert await export(pool, tmp_path / "one") == trailer
    assert (tmp_path / "one").read_bytes() == whole


async def test_export_ends_at_the_head_of_its_start(pool, log, tmp_path):
    await fill(log, 10)
    head = await log.head()
    with open_target(str(tmp_path / "one")) as target:
        running = await start_export(pool, target)
        await log.append([request("more", events=20)])
        trailer = await running.run(lambda _: None)
    assert (trailer.first, trailer.last, trailer.events) == (1, head, head)


async def test_finished_export_or_other_file_is_left_unchanged(pool, log, tmp_path):
    await fill(log, 10)
    await export(pool, tmp_path / "done")
    await export(pool, tmp_path / "done.zst")
    for name, text in (("text", b"hello"), ("lines", b"a\nb\n"), ("gzip", b"\x1f\x8b\x00 no")):
        (tmp_path / name).write_bytes(text)
    whole_lines = (tmp_path / "done").read_bytes().splitlines(keepends=True)
    for name in ("torn", "torn after", "torn to"):
        (tmp_path / name).write_bytes(b"".join(whole_lines[:-1]))
    cases = [
        ("done", {}, "is finished"),
        ("done.zst", {}, "is finished"),
        ("text", {}, "is there and no export"),
        ("lines", {}, "is there and no export"),
        ("gzip", {}, "is there and no export: .* gunzip"),
        ("torn", {"compression": Compression.ZSTD}, "has compression none, not zstd"),
        ("torn after", {"after": 3}, "is an unfinished export"),
        ("torn to", {"to": 3}, "is an unfinished export"),
    ]
    for name, options, reason in cases:
        before = (tmp_path / name).read_bytes()
        with pytest.raises(ExportRefused, match=f"{name} .*{reason}.*--force"):
            await export(pool, tmp_path / name, **options)
        assert (tmp_path / name).read_bytes() == before
        await export(pool, tmp_path / name, overwrite=True)
    assert (tmp_path / "lines").read_bytes() == (tmp_path / "text").read_bytes()


async def test_unfinished_export_of_another_ledger_is_left_unchanged(
    pool, log, other_pool, other, tmp_path
):
    await fill(log, 10)
    await fill(other, 10, seed=8)
    await export(pool, tmp_path / "one")
    cut = (tmp_path / "one").read_bytes()[:-200]
    (tmp_path / "one").write_bytes(cut)
    with pytest.raises(ExportRefused, match="one is an unfinished export of ledger"):
        await export(other_pool, tmp_path / "one")
    assert cut.startswith((tmp_path / "one").read_bytes())


async def test_second_export_to_the_same_file_is_refused(pool, log, tmp_path):
    await fill(log, 3)
    with (
        open_target(str(tmp_path / "one")),
        pytest.raises(ExportRefused, match="being written by another export"),
    ):
        await export(pool, tmp_path / "one")


async def test_export_of_a_range_beyond_the_log_is_refused(pool, log, tmp_path):
    await log.append([request("a", 0, 3)])
    for options, reason in (
        ({"after": 4}, "nothing lies after position 4 up to 3"),
        ({"to": 4}, "the log ends at position 3, not at 4"),
        ({"after": 3, "to": 2}, "nothing lies after position 3 up to 2"),
    ):
        with pytest.raises(ExportRefused, match=reason):
            await export(pool, tmp_path / "one", **options)
    assert (await export(pool, tmp_path / "one", after=3)).events == 0


async def test_export_to_a_gz_name_is_refused_and_creates_no_file(pool, tmp_path):
    with pytest.raises(ExportRefused, match=r"one\.gz.*\.zst.*pipe it into gzip"):
        await export(pool, tmp_path / "one.gz")
    assert not (tmp_path / "one.gz").exists()


@pytest.mark.parametrize("name", ["nowhere/one", "."])
async def test_unwritable_file_is_reported_by_name(pool, tmp_path, name):
    with pytest.raises(ExportRefused, match="cannot be written"):
        await export(pool, tmp_path / name)


async def test_export_resumes_after_a_full_disk(pool, log, tmp_path, monkeypatch):
    await fill(log)
    await export(pool, tmp_path / "whole")
    with open_target(str(tmp_path / "one")) as target:
        running = await start_export(pool, target)
        room = iter([True, True])
        write = type(target).write

        def until_full(self, lines):
            if not next(room, False):
                raise ExportRefused("one cannot be written: No space left on device")
            write(self, lines)

        monkeypatch.setattr(type(target), "write", until_full)
        with pytest.raises(ExportRefused, match="No space left"):
            await running.run(lambda _: None)
        monkeypatch.undo()
    await export(pool, tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "whole").read_bytes()


async def test_missing_position_in_the_log_ends_an_export(pool, log, tmp_path, database_url):
    from events.database import connect  # noqa: PLC0415

    await fill(log, 10)
    owner = await connect(database_url, role=None)
    await owner.execute("set session_replication_role = replica")
    await owner.execute("delete from log.events where position = 7")
    with pytest.raises(MissingPositions):
        await export(pool, tmp_path / "one")
    await owner.execute("delete from log.events where position >= 7")
    with pytest.raises(MissingPositions):
        await export(pool, tmp_path / "two")
    await owner.execute("delete from log.events where position = 1")
    with pytest.raises(MissingPositions):
        await export(pool, tmp_path / "three")
    await owner.close()


async def test_pages_of_an_export_are_bounded_in_bytes(pool, log, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "PAGE_BYTES", 1000)
    await log.append([request("a", events=4, text="x" * 900), request("b", events=9)])
    pages = []
    with open_target(str(tmp_path / "one")) as target:
        running = await start_export(pool, target)
        await running.run(pages.append)
    assert pages[:3] == [1, 1, 1]
    assert sum(pages) == 13


def test_export_is_readable_by_its_owner_alone(tmp_path):
    with open_target(str(tmp_path / "one")):
        pass
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o600
