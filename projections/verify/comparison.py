"""Two versions of a read model side by side: every row and column in which they differ is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

import asyncpg

from events.database import load, translate
from events.envelope import Position
from projections.errors import UnknownProjection, VersionsNotComparable
from projections.projection import schema_of
from projections.results import Record
from projections.verify.diff import Difference, differences

MOST_ROWS: Final = 20
"""Rows of a table that are shown; all are counted."""

MOST_MEMBERS: Final = 20
"""Differences within a column that are shown; all are counted."""

Kind = Literal["only left", "only right", "differs"]

_SQL: Final = Path(__file__).parents[1] / "sql"


@dataclass(frozen=True, slots=True)
class ColumnDifference:
    """A column of a row that differs: how many differences there are in it, and the first."""

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
    """A table on both sides: rows in all, how many differ in which way, and the first of those."""

    table: str
    rows: int
    only_left: int
    only_right: int
    differing: int
    shown: tuple[RowDifference, ...] = ()

    @property
    def different(self) -> int:
        """How many rows are not the same on both sides."""
        return self.only_left + self.only_right + self.differing


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions of a read model as they stood at one position."""

    position: Position
    tables: tuple[TableComparison, ...]

    @property
    def different(self) -> int:
        """How many rows are not the same on both sides."""
        return sum(table.different for table in self.tables)


async def compare(connection: asyncpg.Connection, name: str, left: int, right: int) -> Comparison:
    """Compare two versions of a read model, within a transaction that sees one snapshot.

    Both are walked side by side in the order of their keys, in memory that does not grow with their
    rows; only the first that differ are read. The transaction is ``repeatable read``.

    Raises:
        UnknownProjection: a version is not set up.
        VersionsNotComparable: their positions, tables or columns differ.
        LogUnavailable: the database does not answer.
    """
    with translate():
        position = await _position(connection, name, left, right)
        await connection.execute(load(_SQL, "compare_session"))
        schemas = schema_of(name, left), schema_of(name, right)
        await _check_shape(connection, name, schemas)
        statements = await connection.fetch(load(_SQL, "comparisons"), *schemas)
        return Comparison(position, tuple([await _table(connection, each) for each in statements]))


async def _position(connection: asyncpg.Connection, name: str, left: int, right: int) -> Position:
    stand: list[int] = []
    for version in (left, right):
        row = await connection.fetchrow(load(_SQL, "read_checkpoint"), name, version)
        if row is None:
            raise UnknownProjection([schema_of(name, version)])
        stand.append(row["position"])
    if stand[0] != stand[1]:
        raise VersionsNotComparable(name, f"they stand at positions {stand[0]} and {stand[1]}")
    return Position(stand[0])


async def _check_shape(connection: asyncpg.Connection, name: str, schemas: tuple[str, str]) -> None:
    left, right = [set(await connection.fetch(load(_SQL, "shape"), schema)) for schema in schemas]
    if left != right:
        odd = sorted(".".join(row) for row in left ^ right)
        raise VersionsNotComparable(name, f"one has other columns: {', '.join(odd)}")


async def _table(connection: asyncpg.Connection, table: Record) -> TableComparison:
    counts = await connection.fetchrow(table["count_rows"])
    assert counts is not None  # noqa: S101 - an aggregate always has a row
    found = TableComparison(table["table_name"], *counts)
    if not found.different:
        return found
    rows = await connection.fetch(table["show_rows"], MOST_ROWS)
    return replace(found, shown=tuple(_row(table["key"], row["l"], row["r"]) for row in rows))


def _row(key: Sequence[str], left: Record | None, right: Record | None) -> RowDifference:
    here = right if left is None else left
    named = {column: here[column] for column in key} if here is not None else {}
    if left is None or right is None:
        return RowDifference(named, "only right" if left is None else "only left")
    return RowDifference(named, "differs", tuple(_columns(left, right)))


def _columns(left: Any, right: Any) -> Iterator[ColumnDifference]:  # noqa: ANN401 - the driver's
    for column in left.keys():  # noqa: SIM118 - a record is no mapping
        found = differences(left[column], right[column])
        shown = tuple(islice(found, MOST_MEMBERS))
        if shown:
            yield ColumnDifference(column, len(shown) + sum(1 for _ in found), shown)
