"""Strict reading of parameters: text in, value out, or a refusal that names the parameter."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

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


def boolean(text: str, name: str) -> bool:
    """Read ``true`` or ``false``, in any case.

    Raises:
        BadRequest: it is neither.
    """
    if text.lower() not in ("true", "false"):
        raise BadRequest(f"{name} must be true or false", field=name)
    return text.lower() == "true"


def uuid_text(text: str, name: str) -> str:
    """Read a UUID with its hyphens, in any case, as lower-case text.

    Raises:
        BadRequest: it is none.
    """
    if not _UUID.fullmatch(text):
        raise BadRequest(f"{name} must be a UUID", field=name)
    return str(UUID(text))
