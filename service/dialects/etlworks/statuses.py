"""Etlworks' words for the states of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from events.types import EVERY_TENANT
from projections.documents.lifecycle import RunStatus

Words = Mapping[RunStatus, str]
"""A word for each state of a run."""

WORDS: Final[Words] = {
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

SIX_WORDS: Final[Words] = {**WORDS, "queued": "queued", "cancelled": "canceled"}
"""The words of the developer pages of 2026, for tenants whose clients all know them.

Source: etlworks.com/dev/api/examples.html.
"""

START_CODES: Final[Mapping[RunStatus, int]] = {
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


def words_for(tenant: str, told_six: Collection[str]) -> Words:
    """Choose a tenant's vocabulary: six words for those that are told so, ``*`` being all."""
    return SIX_WORDS if tenant in told_six or EVERY_TENANT in told_six else WORDS


def states_of(word: str, words: Words) -> tuple[RunStatus, ...]:
    """Name the states that a word stands for; none for a word that there is not.

    >>> states_of("error", WORDS), states_of("error", SIX_WORDS), states_of("lost", WORDS)
    (('failed', 'cancelled'), ('failed',), ())
    """
    return tuple(state for state, told in words.items() if told == word)
