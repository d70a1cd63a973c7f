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
"""The four words of the support pages. Clients of both generations stop polling at the last three.
An old one, which polls while it reads ``running``, would stop at ``queued`` and does not know
``canceled``. A stopped flow ends as ``error``.

Source: support.etlworks.com, "Get Flow status API", "Stop a running Flow".
"""

SIX_WORDS: Final[Words] = {**WORDS, "queued": "queued", "cancelled": "canceled"}
"""The six words of the developer pages of 2026, for tenants whose clients all know them.

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
"""The status numbers in the answer to a start.

Source: support.etlworks.com, "Run Flow by ID API".
"""


def words_for(tenant: str, six_word_tenants: Collection[str]) -> Words:
    """Choose a tenant's vocabulary: six words for the configured tenants; ``*`` is all."""
    return SIX_WORDS if tenant in six_word_tenants or EVERY_TENANT in six_word_tenants else WORDS


def states_of(word: str, words: Words) -> tuple[RunStatus, ...]:
    """Return the states that a word stands for; none for an unknown word.

    >>> states_of("error", WORDS), states_of("error", SIX_WORDS), states_of("lost", WORDS)
    (('failed', 'cancelled'), ('failed',), ())
    """
    return tuple(state for state, shown in words.items() if shown == word)
