"""New UUIDs, quickly."""

from __future__ import annotations

import os
import time

_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def new_id() -> str:
    """Make a UUID of version 7: ordered by time, so that new ids meet in one corner of an index.

    Source: RFC 9562, section 5.7.
    """
    when = f"{time.time_ns() // 1_000_000:012x}"
    chance = os.urandom(10).hex()
    return f"{when[:8]}-{when[8:]}-7{chance[:3]}-{_VARIANT[chance[3]]}{chance[4:7]}-{chance[8:]}"
