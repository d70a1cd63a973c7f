"""Makes texts and JSON from tasks storable in the ledger, within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from events import codec
from events.envelope import Data
from events.errors import InvalidEvent, MalformedJson

MAX_EXCEPTION: Final = 2_000
MAX_STATEMENT: Final = 8_000
"""Characters kept of an exception's and of a statement's beginning: as JSON, 60 KB at most."""

MAX_TRACEBACK: Final = 32_768
"""Characters kept of a traceback's end."""


class NotStorable(Exception):
    """The ledger cannot store a value; the message says why."""


def text(value: object) -> str:
    r"""Convert to a storable string: lone surrogates and NUL are replaced.

    >>> text("a\0b\udcffc") == "a\ufffdb?c"
    True
    """
    return str(value).encode(errors="replace").decode().replace("\0", "\ufffd")


def json(value: Mapping[str, Any], max_bytes: int) -> Data:
    """Copy a JSON object as the log would return it.

    Raises:
        NotStorable: it is not JSON, nested too deeply, or larger than ``max_bytes``.
    """
    try:
        copy: Data = codec.parse(codec.encode(value), max_bytes)
    except (InvalidEvent, MalformedJson) as error:
        raise NotStorable(text(error)) from error
    return copy
