"""Whatever is changed in one line of a file, import refuses it, at that line or a later one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.database import connect_pool
from events.errors import BadExport
from events.export.compression import Compression
from events.export.reader import Reader
from events.store import Log
from tests import postgres
from tests.export.transfer import bring, export, fill, tables


@pytest.fixture(scope="module")
def lines(postgres_run, template_database, tmp_path_factory) -> list[bytes]:
    """A whole export, in which one line is still untouched."""
    file = tmp_path_factory.mktemp("export") / "one"

    async def make(url: str) -> None:
        pool = await connect_pool(url)
        await fill(Log(pool), 6)
        await export(pool, file, compression=Compression.NONE)
        await pool.close()

    with postgres.fresh_database(postgres_run, template_database) as url:
        postgres.apart(make(url))
    return file.read_bytes().splitlines(keepends=True)


@pytest.fixture(scope="module")
def empty_url(postgres_run, template_database):
    with postgres.fresh_database(postgres_run, template_database) as url:
        yield url


@st.composite
def changes(draw, lines: list[bytes]) -> tuple[int, list[bytes]]:
    """The number of a line, and the file with that line changed, doubled, moved or gone."""
    number = draw(st.integers(0, len(lines) - 1))
    line, found = lines[number], list(lines)
    at = draw(st.integers(0, len(line) - 1))
    match draw(st.sampled_from(["change", "insert", "cut", "drop", "double", "move"])):
        case "change":
            found[number] = line[:at] + draw(st.binary(min_size=1, max_size=3)) + line[at + 1 :]
        case "insert":
            found[number] = line[:at] + draw(st.binary(min_size=1, max_size=3)) + line[at:]
        case "cut":
            found[number] = line[:at] + line[at + draw(st.integers(1, 40)) :]
        case "drop":
            del found[number]
        case "double":
            found.insert(draw(st.integers(0, len(lines))), line)
        case "move":
            found.insert(draw(st.integers(0, len(lines) - 1)), found.pop(number))
    return number, found


def first_difference(old: bytes, new: bytes) -> int:
    """The line, from 1, in which the first byte differs."""
    same = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), None)
    end = min(len(old), len(new)) if same is None else same
    return old[:end].count(b"\n") + 1


@given(data=st.data())
@settings(max_examples=400, suppress_health_check=list(HealthCheck))
def test_any_changed_line_is_found_without_a_database(lines, tmp_path_factory, data):
    _, found = data.draw(changes(lines))
    whole, changed = b"".join(lines), b"".join(found)
    if whole == changed:
        return
    file = tmp_path_factory.getbasetemp() / "changed"
    file.write_bytes(changed)
    with pytest.raises(BadExport) as refused:
        list(Reader([str(file)]).batches())
    assert first_difference(whole, changed) <= refused.value.line <= changed.count(b"\n") + 1


@given(data=st.data())
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_import_of_a_changed_file_leaves_the_ledger_empty(lines, empty_url, tmp_path_factory, data):
    _, found = data.draw(changes(lines))
    file = tmp_path_factory.getbasetemp() / "imported"
    if found == lines:
        return
    file.write_bytes(b"".join(found))
    postgres.apart(_refused(empty_url, file))


async def _refused(url: str, file: Path) -> None:
    with pytest.raises(BadExport):
        await bring(url, file)
    pool = await connect_pool(url)
    held = await tables(pool)
    await pool.close()
    assert (held["head"][0][1], held["events"], held["event_ids"]) == (0, [], [])
