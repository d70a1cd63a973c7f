"""What differs between two values of a column: which members of a document, with both values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile, zip_longest
from typing import Final

import orjson

LONGEST: Final = 200
"""Characters that are shown of a value, from just before the first that differs."""

_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """A value on both sides, as JSON; None where it is absent.

    ``path`` is where it stands in its column's document, as a JSON pointer; empty for the whole.

    Source: RFC 6901.
    """

    path: str
    left: str | None
    right: str | None


def differences(left: object, right: object) -> Iterator[Difference]:
    """Name what differs between two values; bytes are documents in JSON.

    Documents that say the same in other bytes differ as a whole.

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
        here, there = left.decode(errors="replace"), right.decode(errors="replace")
        yield Difference("", *_excerpts(here, there))
    else:
        yield first
        yield from members


def _members(left: object, right: object, path: str) -> Iterator[Difference]:
    if isinstance(left, dict) and isinstance(right, dict):
        for name in sorted(left.keys() | right.keys()):
            place = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
            yield from _members(left.get(name, _ABSENT), right.get(name, _ABSENT), place)
    elif isinstance(left, list) and isinstance(right, list):
        for index, pair in enumerate(zip_longest(left, right, fillvalue=_ABSENT)):
            yield from _members(*pair, f"{path}/{index}")
    elif type(left) is not type(right) or left != right:
        yield _difference(path, left, right)


def _difference(path: str, left: object, right: object) -> Difference:
    return Difference(path, *_excerpts(_written(left), _written(right)))


def _written(value: object) -> str | None:
    return None if value is _ABSENT else orjson.dumps(value, default=str).decode()


def _excerpts(left: str | None, right: str | None) -> tuple[str | None, str | None]:
    pairs = zip(left or "", right or "", strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return _excerpt(left, same), _excerpt(right, same)


def _excerpt(text: str | None, differs_at: int) -> str | None:
    if text is None or len(text) <= LONGEST:
        return text
    begin = max(0, min(differs_at - LONGEST // 10, len(text) - LONGEST))
    end = begin + LONGEST
    return ("…" if begin else "") + text[begin:end] + ("…" if end < len(text) else "")
