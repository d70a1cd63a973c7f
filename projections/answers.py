"""What a read gives: documents, and the position of the read model that they are from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import orjson

from events.envelope import Position
from projections.columns import Record

Document = dict[str, Any]
"""What a read model shows of one thing: see `projections.facts` and each read model."""

K = TypeVar("K")


class Found(NamedTuple, Generic[K]):
    """The documents that were found, by what they were looked up by; a miss has no entry."""

    rows: dict[K, Document]
    position: Position


class Rows(NamedTuple):
    """Documents in the order that was asked for."""

    rows: list[Document]
    position: Position


class Page(NamedTuple):
    """A page of a list, and how long the whole list is."""

    rows: list[Document]
    total: int
    position: Position


def rows_of(records: Sequence[Record]) -> Rows:
    """Read documents from records, each with ``position`` and a ``document`` that may be null."""
    return Rows([_read(record) for record in records if record["document"]], _position(records))


def found(records: Sequence[Record]) -> Found[tuple[str, Any]]:
    """Read documents by tenant and ``name`` from records like those of `rows_of`."""
    rows = {
        (record["tenant"], record["name"]): _read(record)
        for record in records
        if record["document"]
    }
    return Found(rows, _position(records))


def page_of(records: Sequence[Record]) -> Page:
    """Read a page from records like those of `rows_of` that each carry ``total``."""
    rows, position = rows_of(records)
    return Page(rows, records[0]["total"], position)


def _read(record: Record) -> Document:
    document: Document = orjson.loads(record["document"])
    return document


def _position(records: Sequence[Record]) -> Position:
    # The checkpoint is on the left of every join, so there is a record even when nothing is found.
    return Position(records[0]["position"])
