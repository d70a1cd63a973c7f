"""An exported and imported log is the same log, and can be appended to."""

from __future__ import annotations

import pytest

from events.envelope import AppendRequest, StreamAppend
from events.export.compression import Compression
from tests.events.builders import event
from tests.export.transfer import bring, export, fill, tables

COMPRESSIONS = pytest.mark.parametrize("compression", list(Compression))


@COMPRESSIONS
async def test_export_of_an_imported_log_has_the_same_bytes(
    pool, log, other_pool, other_url, tmp_path, compression
):
    await fill(log)
    trailer = await export(pool, tmp_path / "one", compression=compression)
    imported = await bring(other_url, tmp_path / "one")
    assert imported.head == trailer.last == await log.head()
    assert await export(other_pool, tmp_path / "two", compression=compression) == trailer
    assert (tmp_path / "two").read_bytes() == (tmp_path / "one").read_bytes()


async def test_import_restores_every_row_of_every_log_table(
    pool, log, other_pool, other_url, tmp_path
):
    await fill(log)
    await export(pool, tmp_path / "one")
    await bring(other_url, tmp_path / "one")
    assert await tables(other_pool) == await tables(pool)


async def test_appends_continue_after_the_imported_head(pool, log, other, other_url, tmp_path):
    await fill(log)
    head = await log.head()
    await export(pool, tmp_path / "one")
    await bring(other_url, tmp_path / "one")
    [last] = (await other.read(head - 1, 1))[-1:]
    part = StreamAppend(last.stream, last.version, (event(),))
    [answer] = await other.append([AppendRequest(last.tenant, (part,))])
    assert answer.first_position == head + 1
    assert answer.events[0].version == last.version + 1
    assert answer.recorded_at >= last.recorded_at


async def test_imported_idempotency_keys_and_event_ids_are_duplicates(
    pool, log, other, other_url, tmp_path
):
    made = await fill(log)
    await export(pool, tmp_path / "one")
    await bring(other_url, tmp_path / "one")
    keyed = next(each for each in made if each.idempotency_key)
    plain = next(each for each in made if not each.idempotency_key)
    answers = await other.append([keyed, plain])
    assert [answer.duplicate for answer in answers] == [True, True]
    assert answers == await log.append([keyed, plain])


async def test_empty_log_is_exported_and_imported(pool, other_pool, other_url, other, tmp_path):
    trailer = await export(pool, tmp_path / "one")
    assert (trailer.first, trailer.last, trailer.events) == (None, None, 0)
    assert (await bring(other_url, tmp_path / "one")).head == 0
    assert await export(other_pool, tmp_path / "two") == trailer
    part = StreamAppend("a", 0, (event(),))
    assert (await other.append([AppendRequest("t", (part,))]))[0].first_position == 1


async def test_files_imported_in_order_equal_the_whole_export(
    pool, log, other_pool, other_url, tmp_path
):
    await fill(log)
    await export(pool, tmp_path / "1.zst", to=17)
    await export(pool, tmp_path / "2", after=17, to=17)
    await export(pool, tmp_path / "3.zst", after=17)
    await bring(other_url, *(tmp_path / name for name in ("1.zst", "2", "3.zst")))
    assert await tables(other_pool) == await tables(pool)
