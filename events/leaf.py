"""Computes the leaf hash of an event from a file, as `log.leaf_1` does in the database."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Final

_ABSENT: Final = -(2**63)
_NUMBERS: Final = struct.Struct(">qqqqi")
_LENGTH: Final = struct.Struct(">I")


def leaf_1(
    numbers: Sequence[int | None], texts: Sequence[str], metadata: bytes, body: bytes
) -> bytes:
    """Hash an event as docs/reference/leaf.md lays it out, version 1.

    ``numbers``: position, version, recorded and occurred (None: absent) in microseconds since 1970,
    schema version. ``texts``: tenant, stream, event id, type, actor, correlation, causation, key.
    """
    filled = (_ABSENT if number is None else number for number in numbers)
    parts = [b"\x00\x01", _NUMBERS.pack(*filled)]
    for text in texts:
        raw = text.encode()
        parts += (_LENGTH.pack(len(raw)), raw)
    parts += (hashlib.sha256(metadata).digest(), hashlib.sha256(body).digest())
    return hashlib.sha256(b"".join(parts)).digest()
