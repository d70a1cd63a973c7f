"""Rows as the driver gives them, and columns as `unnest` takes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol


class Record(Protocol):
    """A row of a statement's answer."""

    def __getitem__(self, column: str, /) -> Any:  # noqa: ANN401 - each column has its own type
        """Give a column's value."""
        ...


def columns_of(rows: Iterable[Sequence[Any]], width: int) -> tuple[list[Any], ...]:
    """Turn rows into as many lists as they are wide.

    >>> columns_of([("a", 1), ("b", 2)], 2)
    (['a', 'b'], [1, 2])
    >>> columns_of([], 2)
    ([], [])
    """
    return tuple(map(list, zip(*rows, strict=True))) or tuple([] for _ in range(width))
