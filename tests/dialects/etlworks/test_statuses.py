"""Every state of a run has one of Etlworks' four words."""

from __future__ import annotations

import pytest

from service.dialects.etlworks.statuses import START_CODES, TERMINAL, WORDS
from tests.dialects.facts import NEXT, STATES
from tests.dialects.facts import TERMINAL as ENDS


@pytest.mark.parametrize(
    ("state", "word", "code"),
    [
        ("queued", "running", 0),
        ("running", "running", 1),
        ("cancelling", "running", 1),
        ("succeeded", "success", 4),
        ("warned", "warning", 4),
        ("failed", "error", 5),
        ("cancelled", "error", 2),
    ],
)
def test_state_has_its_word_and_its_start_code(state, word, code):
    assert (WORDS[state], START_CODES[state]) == (word, code)


def test_every_state_is_worded():
    assert set(WORDS) == set(START_CODES) == set(STATES)
    assert set(TERMINAL) == set(ENDS)


def test_only_a_state_without_an_end_is_running():
    assert {state for state, word in WORDS.items() if word == "running"} == set(NEXT)
