"""Strict reading of parameters: text in, value out, or a refusal that names the parameter."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from service.errors import BadRequest

_WHOLE: Final = re.compile(r"-?[0-9]{1,19}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def integer(text: str, name: str, *, low: int = 1, high: int = 2**31 - 1) -> int:
    """Read a whole number between bounds: ASCII digits only, no sign but a minus.

    Raises:
        BadRequest: it is none, or out of bounds.

    >>> integer("42", "page")
    42
    """
    if not _WHOLE.fullmatch(text) or not low <= (value := int(text)) <= high:
        raise BadRequest(f"{name} must be a whole number from {low} to {high}", field=name)
    return value


def uuid_text(text: str, name: str) -> str:
    """Read a UUID with its hyphens, in any case, as lower-case text.

    Raises:
        BadRequest: it is none.
    """
    if not _UUID.fullmatch(text):
        raise BadRequest(f"{name} must be a UUID", field=name)
    return text.lower()


def moment(value: object, name: str) -> datetime:
    """Read a time of RFC 3339 with its offset, as UTC.

    Raises:
        BadRequest: it is none.
    """
    wrong = BadRequest(f"{name} must be a time like 2026-01-31T09:00:00Z, with offset", field=name)
    if not isinstance(value, str):
        raise wrong
    try:
        at = datetime.fromisoformat(value)
        in_utc = at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong from None
    if at.tzinfo is None:
        raise wrong
    return in_utc
