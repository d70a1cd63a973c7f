"""Query results: documents with the position they were read at, made of the driver's rows."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import orjson

from events.envelope import Position

DOCUMENT_CACHE_SIZE: Final = 2048
"""Looked-up documents that are cached: clients that wait for a run read it again and again.

One takes about 10 KiB with its cached responses; at worst, for a payload of empty objects, 200.
"""

MAX_CACHED_DOCUMENT_BYTES: Final = 8 * 1024
"""Bytes of JSON of a document that is cached."""

K = TypeVar("K")
D = TypeVar("D")


class Record(Protocol):
    """A row as the driver gives it."""

    def __getitem__(self, column: str, /) -> Any:  # noqa: ANN401 - each column has its own type
        """Give a column's value."""
        ...


class Document(dict[str, Any]):
    """A read model's JSON document of one thing; `projections.documents` has the type of each.

    Read-only: all who look up the same row, to the byte, share one document. ``response_cache``
    holds the responses rendered from it, by how they were rendered.
    """

    response_cache: dict[Hashable, tuple[bytes, dict[str, str]]] | None = None


class LookupResult(NamedTuple, Generic[K, D]):
    """Documents by the key that was looked up; a miss has no entry."""

    rows: dict[K, D]
    position: Position


class Rows(NamedTuple, Generic[D]):
    """Documents in the order of the query."""

    rows: list[D]
    position: Position


class Page(NamedTuple, Generic[D]):
    """A page of a list, and the length of the whole list."""

    rows: list[D]
    total: int
    position: Position


def columns_of(rows: Iterable[Sequence[Any]], width: int) -> tuple[list[Any], ...]:
    """Transpose rows into columns, as a statement with `unnest` takes them.

    >>> columns_of([("a", 1), ("b", 2)], 2)
    (['a', 'b'], [1, 2])
    >>> columns_of([], 2)
    ([], [])
    """
    return tuple(map(list, zip(*rows, strict=True))) or tuple([] for _ in range(width))


def rows_of(records: Sequence[Record]) -> Rows[Any]:
    """Read documents from records, each with ``position`` and a ``document`` that may be null."""
    return Rows(
        [_parse(record["document"]) for record in records if record["document"]], _position(records)
    )


def lookup_result(records: Sequence[Record]) -> LookupResult[tuple[str, Any], Any]:
    """Read documents by tenant and ``name`` from records like those of `rows_of`."""
    rows = {
        (record["tenant"], record["name"]): _cached(record["document"])
        for record in records
        if record["document"]
    }
    return LookupResult(rows, _position(records))


def page_of(records: Sequence[Record]) -> Page[Any]:
    """Read a page from records like those of `rows_of` that each carry ``total``."""
    rows, position = rows_of(records)
    return Page(rows, records[0]["total"], position)


def _parse(document: bytes) -> Document:
    return Document(orjson.loads(document))


_parse_cached = lru_cache(maxsize=DOCUMENT_CACHE_SIZE)(_parse)


def _cached(document: bytes) -> Document:
    small = len(document) <= MAX_CACHED_DOCUMENT_BYTES
    return _parse_cached(document) if small else _parse(document)


def _position(records: Sequence[Record]) -> Position:
    # The checkpoint is the left side of every join, so there is a record even for an empty result.
    return Position(records[0]["position"])
