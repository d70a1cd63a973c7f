"""Etlworks' words for the states of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, str]] = {
    "queued": "running",
    "running": "running",
    "cancelling": "running",
    "succeeded": "success",
    "warned": "warning",
    "failed": "error",
    "cancelled": "error",
}
"""The four words of the support pages. Clients of either generation stop at the last three:
an old one, which waits while it reads ``running``, would give up at ``queued`` and never know
``canceled``. A stopped flow settles as ``error``.

Source: support.etlworks.com, "Get Flow status API", "Stop a running Flow".
"""

START_CODES: Final[Mapping[str, int]] = {
    "queued": 0,
    "running": 1,
    "cancelling": 1,
    "succeeded": 4,
    "warned": 4,
    "failed": 5,
    "cancelled": 2,
}
"""The numbers that the start call answers with.

Source: support.etlworks.com, "Run Flow by ID API".
"""

TERMINAL: Final = frozenset({"succeeded", "warned", "failed", "cancelled"})
"""The states in which ``ended`` and what follows from the end are shown."""
