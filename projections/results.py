"""What a read gives: documents, and the position of the read model that they are from."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

import orjson

from events.envelope import Position
from projections.columns import Record

KEPT: Final = 2048
"""Documents kept of those that were looked up: whoever waits for a run looks again and again.

One with its answers takes some 10 KiB, at worst, in a payload of nothing but empty objects, 200.
"""

LARGEST: Final = 8 * 1024
"""Bytes of JSON that such a document may have."""

K = TypeVar("K")


class Document(dict[str, Any]):
    """What a read model shows of one thing: see `projections.documents.run` and each read model.

    It is shared by all who ask for it, and found again by those who ask later while its row is the
    same to the byte: read-only. ``shown`` is for those who show it: the answers that were made of
    it, by what made them.
    """

    shown: dict[Hashable, bytes] | None = None


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
    return Rows(
        [_read(record["document"]) for record in records if record["document"]], _position(records)
    )


def found(records: Sequence[Record]) -> Found[tuple[str, Any]]:
    """Read documents by tenant and ``name`` from records like those of `rows_of`."""
    rows = {
        (record["tenant"], record["name"]): _kept(record["document"])
        for record in records
        if record["document"]
    }
    return Found(rows, _position(records))


def page_of(records: Sequence[Record]) -> Page:
    """Read a page from records like those of `rows_of` that each carry ``total``."""
    rows, position = rows_of(records)
    return Page(rows, records[0]["total"], position)


def _read(document: bytes) -> Document:
    return Document(orjson.loads(document))


_known = lru_cache(maxsize=KEPT)(_read)


def _kept(document: bytes) -> Document:
    return _known(document) if len(document) <= LARGEST else _read(document)


def _position(records: Sequence[Record]) -> Position:
    # The checkpoint is on the left of every join, so there is a record even when nothing is found.
    return Position(records[0]["position"])
