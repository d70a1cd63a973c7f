"""Lossless JSON: encodes bodies for storage, and refuses input that would lose information."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from events.bodies import Body
from events.envelope import Data
from events.errors import InvalidEvent, MalformedJson

MAX_DEPTH: Final = 200
"""Levels of objects and arrays that `parse` accepts; `encode` accepts 254."""

MAX_STORED_DEPTH: Final = 240
"""Levels that a stored body may have: documents and answers put it a few levels deeper."""

_INTEGERS: Final = range(-(2**63), 2**64)
_INTEGER_DIGITS: Final = 20  # of 2**64 - 1, and of -2**63 with its sign
_OPTIONS: Final = (
    orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
)
_LONG_DIGITS: Final = re.compile(rb"\d{19}")


def encode(value: Mapping[str, Any]) -> bytes:
    """Serialise a body or metadata: UTF-8, keys sorted, no spaces; the bytes are stored for ever.

    Integers lie within -2**63 .. 2**64 - 1, keys are strings, nesting ends at 254.

    Raises:
        InvalidEvent: for NaN and infinities, NUL in a text, lone surrogates, integers out of range,
            keys that are no strings, and what JSON does not know.

    >>> encode({"b": [1.5, None], "a": "x"})
    b'{"a":"x","b":[1.5,null]}'
    """
    try:
        raw = orjson.dumps(dict(value), option=_OPTIONS)
    except (TypeError, RecursionError) as error:
        raise InvalidEvent(f"not storable as JSON: {error}") from error
    # orjson writes NaN as null and NUL as an escape. Search the values only if the bytes have NUL,
    # or more nulls than there are Nones at the top level.
    suspect = raw.count(b"null") > [*value.values()].count(None) or b"\\u0000" in raw
    if suspect and (reason := _find_unstorable([value])):
        raise InvalidEvent(f"not storable as JSON: {reason}")
    return raw


def encode_body(body: Body) -> bytes:
    """Serialise an event's body as `encode` does; mypy checks its members.

    Raises:
        InvalidEvent: as `encode`.

    >>> encode_body({"run_id": "5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4"})
    b'{"run_id":"5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4"}'
    """
    return encode(body)


def decode(raw: bytes) -> Any:  # noqa: ANN401 - the reader names the type of the body
    """Read the JSON object that `encode` wrote.

    >>> decode(b'{"a":1}')
    {'a': 1}
    """
    return orjson.loads(raw)


def decode_storable(raw: bytes) -> Data:
    """Decode an object that is about to be stored, refusing what some reader could not read.

    Raises:
        InvalidEvent: for what is no JSON object in UTF-8, NaN and infinities, lone surrogates, NUL
            in a text, and nesting beyond `MAX_STORED_DEPTH`.

    >>> decode_storable(b'{"a":1}')
    {'a': 1}
    >>> decode_storable(b' {"a":1}')
    Traceback (most recent call last):
    events.errors.InvalidEvent: no JSON object, or white space before it
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidEvent(f"no JSON: {error}") from error
    if not isinstance(value, dict) or raw[:1] != b"{":  # the database looks at the first byte
        raise InvalidEvent("no JSON object, or white space before it")
    if raw.count(b"[") + raw.count(b"{") > MAX_STORED_DEPTH and _is_deeper(value, MAX_STORED_DEPTH):
        raise InvalidEvent(f"nested deeper than {MAX_STORED_DEPTH}")
    if b"\\u0000" in raw and (reason := _find_unstorable([value])):
        raise InvalidEvent(reason)
    return value


def parse(raw: bytes, max_bytes: int | None = None) -> Any:  # noqa: ANN401 - any JSON value
    """Parse JSON from outside, refusing what could not be stored without loss.

    Raises:
        MalformedJson: for more than ``max_bytes``, what is no JSON (RFC 8259) or no UTF-8, integers
            beyond 64 bits, NUL in a text, and nesting beyond `MAX_DEPTH`.

    >>> parse(b'[18446744073709551615]')
    [18446744073709551615]
    """
    if max_bytes is not None and len(raw) > max_bytes:
        raise MalformedJson(f"{len(raw)} bytes are more than the {max_bytes} allowed")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MalformedJson(f"no JSON: {error}") from error
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
        raise MalformedJson(f"nested deeper than {MAX_DEPTH}")
    if _LONG_DIGITS.search(raw):
        _check_integers(raw)
    if b"\\u0000" in raw and (reason := _find_unstorable([value])):
        raise MalformedJson(reason)
    return value


def _is_deeper(value: object, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [
            child
            for parent in level
            for child in _children(parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _check_integers(raw: bytes) -> None:
    # orjson has turned them into floats, so parse again and check the digits themselves.
    json.loads(raw, parse_int=_parse_integer)


def _parse_integer(digits: str) -> int:
    # The length first: Python refuses to convert very long digit strings.
    if len(digits) > _INTEGER_DIGITS or int(digits) not in _INTEGERS:
        raise MalformedJson(f"integer beyond 64 bits: {digits[:40]}")
    return int(digits)


def _find_unstorable(level: list[object]) -> str:
    """Say what JSON would lose of these values; empty if nothing."""
    while level:
        for value in level:
            if isinstance(value, float) and not math.isfinite(value):
                return f"{value} is no JSON number"
            if isinstance(value, str) and "\x00" in value:
                return "NUL in a text"
        level = [child for parent in level for child in _children(parent)]
    return ""


def _children(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return (*value.keys(), *value.values())
    return value if isinstance(value, (list, tuple)) else ()
