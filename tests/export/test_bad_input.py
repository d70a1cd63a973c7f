"""Whatever is wrong with a file, import names its line and reason and stores nothing."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from events.database import connect, connect_pool
from events.errors import BadExport, ImportRefused
from events.export.compression import Compression
from events.export.format import Record, event_line, parse_line
from events.export.importer import _Import
from events.export.reader import Cursor, Reader
from events.store import Log
from tests import postgres
from tests.events.builders import request
from tests.export.transfer import TABLES, bring, export, fill, tables


@pytest.fixture(scope="module")
def database_url(postgres_run: Path, template_database: str) -> Iterator[str]:
    """A log of the module's own, filled once."""
    with postgres.fresh_database(postgres_run, template_database) as url:
        postgres.apart(_fill(url))
        yield url


@pytest.fixture(scope="module")
def other_url(postgres_run: Path, template_database: str) -> Iterator[str]:
    """An empty ledger; as nothing is imported, it stays empty for all of the module."""
    with postgres.fresh_database(postgres_run, template_database) as url:
        yield url


async def _fill(url: str) -> None:
    pool = await connect_pool(url)
    await fill(Log(pool), 20)
    await pool.close()


@pytest.fixture
async def whole(pool, tmp_path) -> Path:
    """A good export, of a header, at least 40 events and a trailer."""
    await export(pool, tmp_path / "good")
    return tmp_path / "good"


@pytest.fixture
async def refused(other_url, other_pool):
    """Import files; gives file, line and reason, and has seen that the ledger is as it was."""

    async def run(*files: Path) -> tuple[str, int, str]:
        with pytest.raises(BadExport) as caught:
            await bring(other_url, *files)
        assert await other_pool.fetchval("select position from log.head") == 0
        held = await tables(other_pool)
        assert [held[table] for table in TABLES[1:]] == [[], [], [], []]
        error = caught.value
        assert str(error) == f"{error.file}:{error.line}: {error.reason}"
        return Path(error.file).name, error.line, error.reason

    return run


@pytest.fixture
def another_url(postgres_run: Path, template_database: str) -> Iterator[str]:
    """An empty ledger for one test."""
    with postgres.fresh_database(postgres_run, template_database) as url:
        yield url


def lines(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines(keepends=True)


def written(file: Path, found: list[bytes]) -> Path:
    bad = file.with_name("bad")
    bad.write_bytes(b"".join(found))
    return bad


def sealed(found: list[bytes]) -> list[bytes]:
    """The lines with a checksum that fits them: whoever made them knows the format."""
    *body, last = found
    trailer = json.loads(last) | {"sha256": hashlib.sha256(b"".join(body)).hexdigest()}
    return [*body, json.dumps(trailer, separators=(",", ":")).encode() + b"\n"]


def changed(line: bytes, **fields: object) -> bytes:
    """An event's line with other values, and the leaf hash that fits them."""
    record = parse_line(line.strip())
    assert isinstance(record, Record)
    record = record._replace(**fields)
    return event_line(record._replace(leaf_hash=record.leaf()))


async def test_file_cut_after_any_line_is_truncated(whole, refused):
    found = lines(whole)
    for count in (0, 1, 2, len(found) - 1):
        _, line, reason = await refused(written(whole, found[:count]))
        assert line == count + 1
        assert "truncated: it has no trailer" in reason


async def test_file_cut_within_a_line_is_truncated(whole, refused):
    found = lines(whole)
    for count in (0, 5, len(found) - 1):
        cut = [*found[:count], found[count][:-1]]
        assert await refused(written(whole, cut)) == (
            "bad",
            count + 1,
            "the file ends in the middle of a line",
        )


async def test_compressed_data_cut_or_changed_anywhere_is_refused(whole, refused):
    packed = zstandard.compress(whole.read_bytes())
    bad = whole.with_name("bad")
    bad.write_bytes(packed[: len(packed) // 2])
    assert "in the middle" in (await refused(bad))[2]
    bad.write_bytes(packed[: len(packed) // 2] + b"\xff\xff" + packed[len(packed) // 2 + 2 :])
    assert await refused(bad)
    bad.write_bytes(packed + b"not compressed")
    assert "the compressed data is corrupt" in (await refused(bad))[2]


async def test_gzip_file_is_refused_with_remedy(whole, refused):
    bad = whole.with_name("bad")
    bad.write_bytes(gzip.compress(whole.read_bytes()))
    file, line, reason = await refused(bad)
    assert (file, line) == ("bad", 1)
    assert "run gunzip on it first" in reason


async def test_wrong_checksum_is_reported_at_the_trailer(whole, refused):
    found = lines(whole)
    found[3] = found[3].replace(b'{"position"', b'{ "position"')
    _, line, reason = await refused(written(whole, found))
    assert line == len(found)
    assert "the file was changed" in reason


async def test_gap_is_reported_with_missing_positions(whole, refused):
    found = lines(whole)
    del found[7:9]
    assert await refused(written(whole, sealed(found))) == (
        "bad",
        8,
        "positions 7 to 8 are missing",
    )


async def test_repeated_position_is_refused(whole, refused):
    found = lines(whole)
    found.insert(8, found[7])
    assert await refused(written(whole, sealed(found))) == (
        "bad",
        9,
        "position 7 is repeated or out of order, expected 8",
    )


async def test_events_out_of_order_are_refused(whole, refused):
    found = lines(whole)
    found[7], found[8] = found[8], found[7]
    assert (await refused(written(whole, sealed(found))))[1] == 8


async def test_changed_body_fails_the_leaf_hash(whole, refused):
    found = lines(whole)
    found[5] = found[5].replace(b'\\"number\\":', b'\\"numbeR\\":')
    assert found[5] != lines(whole)[5]
    assert await refused(written(whole, sealed(found))) == (
        "bad",
        6,
        "the leaf hash does not match: the event was changed",
    )


async def test_changed_body_fails_the_leaf_hash_without_a_database(whole):
    found = lines(whole)
    found[5] = found[5].replace(b'\\"number\\":', b'\\"numbeR\\":')
    bad = written(whole, sealed(found))
    with pytest.raises(BadExport, match="bad:6: the leaf hash does not match"):
        list(Reader([str(bad)]).batches())


async def test_later_file_can_be_checked_alone(pool, whole):
    await export(pool, whole.with_name("2"), after=17)
    reader = Reader([str(whole.with_name("2"))], Cursor())
    assert sum(len(batch.records) for batch in reader.batches()) > 0
    assert reader.cursor.ledger == parse_line(lines(whole)[1].strip()).leaf_hash.hex()


async def test_version_that_is_not_the_next_of_its_stream_is_refused(whole, refused):
    found = lines(whole)
    record = parse_line(found[9].strip())
    found[9] = changed(found[9], version=record.version + 1)
    _, line, reason = await refused(written(whole, sealed(found)))
    assert line == 10
    assert reason == f"its version is not the next one of stream {record.stream}"


async def test_repeated_event_id_is_reported_at_its_second_line(whole, refused):
    found = lines(whole)
    found[9] = changed(found[9], event_id=parse_line(found[2].strip()).event_id)
    assert await refused(written(whole, sealed(found))) == (
        "bad",
        10,
        "an earlier event has its event id",
    )


async def test_repeated_idempotency_key_is_reported_at_its_second_line(whole, refused):
    found = lines(whole)
    keyed = [n for n, line in enumerate(found) if b'"request":' in line]
    first = parse_line(found[keyed[0]].strip())
    again = next(n for n in keyed[1:] if parse_line(found[n].strip()).tenant == first.tenant)
    found[again] = changed(found[again], request_key=first.request_key)
    assert await refused(written(whole, sealed(found))) == (
        "bad",
        again + 1,
        "an earlier request has its idempotency key",
    )


async def test_repeats_across_batches_are_refused(whole, refused, monkeypatch):
    monkeypatch.setattr("events.export.reader.BATCH_EVENTS", 3)
    found = lines(whole)
    found[20] = changed(found[20], event_id=parse_line(found[2].strip()).event_id)
    assert (await refused(written(whole, sealed(found))))[1:] == (
        21,
        "an earlier event has its event id",
    )
    keyed = [n for n, line in enumerate(found) if b'"request":' in line]
    found = lines(whole)
    record = parse_line(found[30].strip())
    found[30] = changed(found[30], version=record.version + 1)
    assert (await refused(written(whole, sealed(found))))[1] == 31
    assert keyed


async def test_recording_time_that_goes_back_is_refused(whole, refused):
    found = lines(whole)
    first = parse_line(found[1].strip())
    found[9] = changed(found[9], recorded_at=first.recorded_at.replace(year=2000))
    _, line, reason = await refused(written(whole, sealed(found)))
    assert line == 10
    assert "earlier than that of the previous event" in reason


async def test_request_that_continues_beyond_the_last_file_is_refused(pool, whole, refused):
    found = [parse_line(line.strip()) for line in lines(whole)[1:-1]]
    record = next(
        r for r in found if r.request_last_position and r.request_last_position > r.position
    )
    await export(pool, whole.with_name("cut"), to=record.position)
    _, line, reason = await refused(whole.with_name("cut"))
    assert line == record.position + 1
    assert f"its request continues up to position {record.request_last_position}" in reason


async def test_file_of_another_ledger_is_refused(pool, whole, another_url, refused):
    another = await connect_pool(another_url)
    await fill(Log(another), 10, seed=8)
    await export(pool, whole.with_name("1"), to=5)
    await export(another, whole.with_name("2"), after=5)
    await another.close()
    name, line, reason = await refused(whole.with_name("1"), whole.with_name("2"))
    assert (name, line) == ("2", 1)
    assert reason.startswith("this file is of ledger ")


async def test_first_event_of_another_ledger_is_refused(whole, refused):
    found = lines(whole)
    found[0] = (
        json.dumps(json.loads(found[0]) | {"ledger": "ab" * 32}, separators=(",", ":")).encode()
        + b"\n"
    )
    _, line, reason = await refused(written(whole, sealed(found)))
    assert line == 2
    assert "not the first event of ledger abab" in reason


async def test_files_with_a_gap_or_out_of_order_are_refused(pool, whole, refused, tmp_path):
    await export(pool, tmp_path / "1", to=5)
    await export(pool, tmp_path / "2", after=5, to=9)
    await export(pool, tmp_path / "3", after=9)
    for wrong in (["2"], ["1", "3"], ["2", "1"], ["1", "1"]):
        name, line, reason = await refused(*(tmp_path / each for each in wrong))
        assert line == 1
        assert "a file is missing, or they are not in order" in reason
        assert name == wrong[-1] or wrong[0] == "2"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "truncated"),
        (b"\n", "no JSON"),
        (b"hello\n", "no JSON"),
        (b"[]\n", "no JSON object"),
        (b"{}\n", "no export of a ledger"),
        (b'{"format":"other"}\n', "no export of a ledger"),
        (b'{"format":"flowledger-export","version":2}\n', "format version 2 is unknown"),
        (b'{"format":"flowledger-export","version":1}\n', "after, ledger, to missing"),
        (b"\x00\x00\x00\n", "no JSON"),
        (b"\xff\xfe\n", "no JSON"),
    ],
)
async def test_file_that_is_no_export_is_refused_at_its_first_line(tmp_path, refused, text, reason):
    (tmp_path / "other").write_bytes(text)
    name, line, said = await refused(tmp_path / "other")
    assert (name, line) == ("other", 1)
    assert reason in said


HEADERS = [
    ({"after": -1}, "after -1 is out of range"),
    ({"after": True}, "after is no integer"),
    ({"after": 1.0}, "after is no integer"),
    ({"to": 2**64}, "integer beyond 64 bits"),
    ({"to": 2**63}, "to 9223372036854775808 is out of range"),
    ({"ledger": "AB" * 32}, "no SHA-256"),
    ({"ledger": 7}, "no SHA-256"),
    ({"ledger": None}, "are no range of ledger"),
    ({"to": 3, "after": 4}, "are no range of ledger"),
    ({"more": 1}, "more unknown"),
]
EVENTS = [
    ({"position": 0}, "position 0 is repeated"),
    ({"position": "4"}, "position is no integer"),
    ({"version": 0}, "version must be at least 1"),
    ({"version": -1}, "version -1 is out of range"),
    ({"version": 2**63}, "is out of range"),
    ({"version": None}, "version is no integer"),
    ({"schema_version": 0}, "schema version 0 is out of range"),
    ({"schema_version": 2**31}, "schema version 2147483648 is out of range"),
    ({"recorded_us": 2**62}, "recorded_us 4611686018427387904 is out of range"),
    ({"recorded_us": None}, "recorded_us is no integer"),
    ({"occurred_us": 253_402_300_799_999_999}, "is out of range"),
    ({"occurred_us": -62_135_596_800_000_000}, "is out of range"),
    ({"occurred_us": "now"}, "occurred_us is no integer"),
    ({"tenant": ""}, "tenant has 0 characters"),
    ({"tenant": "x" * 201}, "tenant has 201 characters"),
    ({"stream": "x" * 401}, "stream has 401 characters"),
    ({"stream": "a\x00"}, "NUL in a text"),
    ({"type": ""}, "type has 0 characters"),
    ({"type": None}, "type is no text"),
    ({"event_id": "abc"}, "no lower-case UUID"),
    ({"event_id": "EF8F9F90-6A3D-429C-AC67-3C9D5A9E3453"}, "no lower-case UUID"),
    (
        {"body": "[]"},
        "the body of Ereignisé cannot be stored: no JSON object, or white space before it",
    ),
    ({"body": "{"}, "the body of Ereignisé cannot be stored: no JSON"),
    ({"body": {}}, "body is no text"),
    ({"metadata": "x"}, "the metadata of Ereignisé cannot be stored: no JSON"),
    ({"actor": "x" * 401}, "actor has 401 characters"),
    ({"leaf_hash": "00"}, "leaf_hash is no SHA-256"),
    ({"leaf_hash": "00" * 32}, "the leaf hash does not match"),
    ({"more": 1}, "more unknown"),
    ({"request": None}, "request is no JSON object"),
    ({"request": {}}, "fingerprint, key, last_position missing"),
    ({"request": {"key": "", "fingerprint": "ab", "last_position": 9}}, "request has no key"),
    ({"request": {"key": "k", "fingerprint": "", "last_position": 9}}, "request has no key"),
    ({"request": {"key": "k", "fingerprint": "ab", "last_position": 1}}, "is out of range"),
    ({"request": {"key": "k" * 401, "fingerprint": "ab", "last_position": 9}}, "401 characters"),
]


@pytest.mark.parametrize(("fields", "reason"), HEADERS, ids=[str(fields) for fields, _ in HEADERS])
async def test_header_out_of_bounds_is_refused(whole, refused, fields, reason):
    found = lines(whole)
    found[0] = json.dumps(json.loads(found[0]) | fields).encode() + b"\n"
    _, line, said = await refused(written(whole, sealed(found)))
    assert line == 1
    assert reason in said


@pytest.mark.parametrize(
    ("fields", "reason"), EVENTS, ids=[str(fields)[:60] for fields, _ in EVENTS]
)
async def test_event_out_of_bounds_is_refused(whole, refused, fields, reason):
    found = lines(whole)
    found[4] = json.dumps(json.loads(found[4]) | fields).encode() + b"\n"
    _, line, said = await refused(written(whole, sealed(found)))
    assert line == 5
    assert reason in said


async def test_missing_field_is_reported_by_name(whole, refused):
    found = lines(whole)
    fields = json.loads(found[4])
    del fields["actor"]
    found[4] = json.dumps(fields).encode() + b"\n"
    assert (await refused(written(whole, sealed(found))))[1:] == (5, "actor missing")


@pytest.mark.parametrize("junk", [b"\x00", b"\xff", b'"\\ud800"', b"{", b"", b"null", b"1" * 30])
async def test_line_that_is_no_event_is_refused(whole, refused, junk):
    found = lines(whole)
    found[4] = junk + b"\n"
    assert (await refused(written(whole, sealed(found))))[1] == 5


@pytest.mark.parametrize("compression", list(Compression))
async def test_line_beyond_the_bound_is_refused_before_it_is_in_memory(
    pool, whole, refused, monkeypatch, tmp_path, compression
):
    await export(pool, tmp_path / "long", compression=compression)
    monkeypatch.setattr("events.export.compression.MAX_LINE", 300)
    monkeypatch.setattr("events.export.format.MAX_LINE", 300)
    _, line, reason = await refused(tmp_path / "long")
    assert len(lines(whole)[line - 1]) > 300
    assert "longer than 300 bytes" in reason or "more than the 300 allowed" in reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"events": 1}, "the trailer should be"),
        ({"first": 2}, "the trailer should be"),
        ({"last": 2}, "the trailer should be"),
        ({"sha256": "00" * 32}, "the file was changed"),
        ({"sha256": "xy"}, "not have the exact form"),
        ({"events": 1.5}, "the trailer should be"),
        ({"end": "x"}, "not have the exact form"),
        ({"more": 1}, "more unknown"),
    ],
)
async def test_trailer_that_does_not_match_the_file_is_refused(whole, refused, fields, reason):
    found = lines(whole)
    trailer = json.loads(found[-1]) | fields
    found[-1] = json.dumps(trailer, separators=(",", ":")).encode() + b"\n"
    _, line, said = await refused(written(whole, found))
    assert line == len(found)
    assert reason in said


async def test_early_trailer_and_lines_after_a_trailer_are_refused(whole, refused):
    found = lines(whole)
    _, line, reason = await refused(written(whole, [*found[:5], found[-1]]))
    assert (line, reason.split(",")[0]) == (6, "the file ends at position 4")
    assert (await refused(written(whole, [*found, found[-1]])))[1:] == (
        len(found) + 1,
        "nothing may follow the trailer",
    )
    assert (
        "beyond"
        in (
            await refused(
                written(
                    whole,
                    [
                        found[0].replace(
                            b'"to":' + found[-1].split(b'"last":')[1].split(b",")[0], b'"to":3'
                        ),
                        *found[1:],
                    ],
                )
            )
        )[2]
    )


async def test_unreadable_file_is_reported_by_name(tmp_path, refused):
    assert "No such file" in (await refused(tmp_path / "nowhere"))[2]
    assert "Is a directory" in (await refused(tmp_path))[2]


async def test_import_into_a_ledger_with_events_is_refused(whole, another_url):
    another = await connect_pool(another_url)
    await Log(another).append([request("a", 0)])
    before = await tables(another)
    with pytest.raises(ImportRefused, match=r"has 1 events already.*make a new database"):
        await bring(another_url, whole)
    assert await tables(another) == before
    await another.close()


async def test_import_does_not_wait_for_another_writer(whole, another_url):
    owner = await connect(another_url, role=None)
    async with owner.transaction():
        await owner.execute("select from log.head for update")
        with pytest.raises(ImportRefused, match="another process is writing to this ledger"):
            await bring(another_url, whole)
    assert (await bring(another_url, whole)).head > 0
    await owner.close()


async def test_import_with_the_service_role_is_refused(whole, other_url, monkeypatch):
    async def as_service(url, *, role):
        return await connect(url)

    monkeypatch.setattr("events.export.importer.connect", as_service)
    with pytest.raises(ImportRefused, match="role flowledger_app may not write the log"):
        await bring(other_url, whole)


async def test_database_checks_the_leaf_hash_of_what_it_stores(owner, whole):
    """Whatever a reader of files overlooks: what counts is what will be stored."""
    records = [parse_line(line.strip()) for line in lines(whole)[1:-1]]
    records[6] = records[6]._replace(actor="somebody else")
    reader = Reader([str(whole)])
    list(reader.batches())
    transaction = owner.transaction()
    await transaction.start()
    importing = _Import(owner, reader, lambda _: None)
    await importing._begin()
    with pytest.raises(BadExport, match="good:8: the leaf hash does not match"):
        await importing._store(records)
    await transaction.rollback()
