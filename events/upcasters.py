"""Lifts events of older schema versions as they are read; stored events never change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from events.envelope import Data
from events.types import SCHEMA_VERSIONS

Upcaster = Callable[[Data], Data]
"""A pure step from one schema version to the next; it returns a new body, the old one stays."""

UPCASTERS: Final[dict[tuple[str, int], Upcaster]] = {}
"""The step that lifts this type from this schema version, as ``upcast_run_started_1_to_2``."""


def upcast(type: str, schema_version: int, data: Data) -> tuple[int, Data]:  # noqa: A002 - the word
    """Lift a body step by step to the newest schema version this release knows.

    A type or a version this release does not know passes unchanged: its reader decides.

    >>> upcast("RunStarted", 1, {})
    (1, {})
    """
    newest = SCHEMA_VERSIONS.get(type, schema_version)
    while schema_version < newest:
        data = UPCASTERS[type, schema_version](data)
        schema_version += 1
    return schema_version, data
