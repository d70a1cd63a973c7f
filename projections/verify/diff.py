"""Compares two versions of a read model: every row, column and document member that differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile, zip_longest
from pathlib import Path
from typing import Any, Final, Literal

import asyncpg
import orjson

from events.database import load, translate_errors
from events.envelope import Position
from projections.errors import UnknownProjection, VersionsNotComparable
from projections.projection import schema_of
from projections.results import Record

MAX_ROWS: Final = 20
"""Differing rows of a table that are shown; all are counted."""

MAX_MEMBERS: Final = 20
"""Differences within a column that are shown; all are counted."""

EXCERPT_LENGTH: Final = 200
"""Characters shown of a value, from just before the first one that differs."""

Kind = Literal["only left", "only right", "differs"]

_SQL: Final = Path(__file__).parents[1] / "sql"
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """A value on both sides, as JSON; None where it is absent.

    ``path`` is its place in the column's document, as a JSON pointer; empty for the whole.

    Source: RFC 6901.
    """

    path: str
    left: str | None
    right: str | None


@dataclass(frozen=True, slots=True)
class ColumnDifference:
    """A column that differs: the number of differences in it, and the first of them."""

    column: str
    count: int
    shown: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A row that differs, named by the columns of its table's key."""

    key: dict[str, Any]
    kind: Kind
    columns: tuple[ColumnDifference, ...] = ()


@dataclass(frozen=True, slots=True)
class TableComparison:
    """A table on both sides: its rows, how many differ in which way, and the first of those."""

    table: str
    rows: int
    only_left: int
    only_right: int
    differing: int
    shown: tuple[RowDifference, ...] = ()

    @property
    def different(self) -> int:
        """The number of rows that are not the same on both sides."""
        return self.only_left + self.only_right + self.differing


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions of a read model, compared at one position."""

    position: Position
    tables: tuple[TableComparison, ...]

    @property
    def different(self) -> int:
        """The number of rows that are not the same on both sides."""
        return sum(table.different for table in self.tables)


async def compare(connection: asyncpg.Connection, name: str, left: int, right: int) -> Comparison:
    """Compare two versions of a read model; the caller's transaction is ``repeatable read``.

    A merge join over the keys, so memory does not grow with the rows. Only the first rows that
    differ are read.

    Raises:
        UnknownProjection: a version is not set up.
        VersionsNotComparable: their positions, tables or columns differ.
        LogUnavailable: the database does not answer.
    """
    with translate_errors():
        position = await _common_position(connection, name, left, right)
        await connection.execute(load(_SQL, "diff_session"))
        schemas = schema_of(name, left), schema_of(name, right)
        await _check_columns(connection, name, schemas)
        statements = await connection.fetch(load(_SQL, "diff_statements"), *schemas)
        tables = [await _compare_table(connection, each) for each in statements]
        return Comparison(position, tuple(tables))


async def _common_position(
    connection: asyncpg.Connection, name: str, left: int, right: int
) -> Position:
    rows = await connection.fetch(load(_SQL, "read_checkpoints"), name, [left, right])
    positions = {row["version"]: row["position"] for row in rows}
    for version in (left, right):
        if version not in positions:
            raise UnknownProjection([schema_of(name, version)])
    if positions[left] != positions[right]:
        raise VersionsNotComparable(
            name, f"they are at positions {positions[left]} and {positions[right]}"
        )
    return Position(positions[left])


async def _check_columns(
    connection: asyncpg.Connection, name: str, schemas: tuple[str, str]
) -> None:
    statement = load(_SQL, "list_columns")
    left, right = [set(await connection.fetch(statement, schema)) for schema in schemas]
    if left != right:
        different = sorted(".".join(row) for row in left ^ right)
        raise VersionsNotComparable(name, f"one has other columns: {', '.join(different)}")


async def _compare_table(connection: asyncpg.Connection, table: Record) -> TableComparison:
    counts = await connection.fetchrow(table["count_rows"])
    assert counts is not None  # noqa: S101 - an aggregate always has a row
    comparison = TableComparison(table["table_name"], *counts)
    if not comparison.different:
        return comparison
    rows = await connection.fetch(table["show_rows"], MAX_ROWS)
    shown = tuple(_row_difference(table["key"], row["l"], row["r"]) for row in rows)
    return replace(comparison, shown=shown)


def _row_difference(key: Sequence[str], left: Record | None, right: Record | None) -> RowDifference:
    present = right if left is None else left
    named = {column: present[column] for column in key} if present is not None else {}
    if left is None or right is None:
        return RowDifference(named, "only right" if left is None else "only left")
    return RowDifference(named, "differs", tuple(_column_differences(left, right)))


def _column_differences(left: Any, right: Any) -> Iterator[ColumnDifference]:  # noqa: ANN401 - the driver's
    for column in left.keys():  # noqa: SIM118 - a record is no mapping
        found = differences(left[column], right[column])
        shown = tuple(islice(found, MAX_MEMBERS))
        if shown:
            yield ColumnDifference(column, len(shown) + sum(1 for _ in found), shown)


def differences(left: object, right: object) -> Iterator[Difference]:
    """List what differs between two values of a column; bytes are JSON documents.

    Documents that are equal but for their bytes differ as a whole.

    >>> list(differences(b'{"a":[1,2]}', b'{"a":[1],"b":null}'))
    [Difference(path='/a/1', left='2', right=None), Difference(path='/b', left=None, right='null')]
    >>> list(differences(1, 2))
    [Difference(path='', left='1', right='2')]
    >>> list(differences("same", "same"))
    []
    """
    if left == right:
        return
    if isinstance(left, bytes) and isinstance(right, bytes):
        yield from _in_documents(left, right)
    else:
        yield _difference("", left, right)


def _in_documents(left: bytes, right: bytes) -> Iterator[Difference]:
    try:
        members = _members(orjson.loads(left), orjson.loads(right), "")
    except orjson.JSONDecodeError:
        members = iter(())
    first = next(members, None)
    if first is None:
        texts = left.decode(errors="replace"), right.decode(errors="replace")
        yield Difference("", *_excerpts(*texts))
    else:
        yield first
        yield from members


def _members(left: object, right: object, path: str) -> Iterator[Difference]:
    if isinstance(left, dict) and isinstance(right, dict):
        for name in sorted(left.keys() | right.keys()):
            member = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
            yield from _members(left.get(name, _ABSENT), right.get(name, _ABSENT), member)
    elif isinstance(left, list) and isinstance(right, list):
        for index, pair in enumerate(zip_longest(left, right, fillvalue=_ABSENT)):
            yield from _members(*pair, f"{path}/{index}")
    elif type(left) is not type(right) or left != right:
        yield _difference(path, left, right)


def _difference(path: str, left: object, right: object) -> Difference:
    return Difference(path, *_excerpts(_as_json(left), _as_json(right)))


def _as_json(value: object) -> str | None:
    return None if value is _ABSENT else orjson.dumps(value, default=str).decode()


def _excerpts(left: str | None, right: str | None) -> tuple[str | None, str | None]:
    pairs = zip(left or "", right or "", strict=False)
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return _excerpt(left, common), _excerpt(right, common)


def _excerpt(text: str | None, differs_at: int) -> str | None:
    if text is None or len(text) <= EXCERPT_LENGTH:
        return text
    start = max(0, min(differs_at - EXCERPT_LENGTH // 10, len(text) - EXCERPT_LENGTH))
    end = start + EXCERPT_LENGTH
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
