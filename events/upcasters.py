"""Upcasts events of older schema versions as they are read; stored events never change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from events.envelope import Data
from events.types import SCHEMA_VERSIONS

Upcaster = Callable[[Data], Data]
"""A pure function from one schema version to the next, which returns a new body."""

UPCASTERS: Final[dict[tuple[str, int], Upcaster]] = {}
"""The upcaster for an event type at a schema version, named like ``upcast_run_started_1_to_2``."""


def upcast(type: str, schema_version: int, data: Data) -> tuple[int, Data]:  # noqa: A002 - the word
    """Upcast a body to the newest schema version that this release knows.

    An unknown type or a newer version passes unchanged; the reader decides what to do.

    >>> upcast("RunStarted", 1, {})
    (1, {})
    """
    newest = SCHEMA_VERSIONS.get(type, schema_version)
    while schema_version < newest:
        data = UPCASTERS[type, schema_version](data)
        schema_version += 1
    return schema_version, data
