"""Every state of a run has one of Etlworks' four words, or of six."""

from __future__ import annotations

import pytest

from service.dialects.etlworks.statuses import (
    SIX_WORDS,
    START_CODES,
    WORDS,
    states_of,
)
from tests.dialects.facts import NEXT, STATES


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
def test_state_maps_to_a_word_and_a_start_code(state, word, code):
    assert (WORDS[state], START_CODES[state]) == (word, code)


def test_every_state_has_a_word():
    assert set(WORDS) == set(SIX_WORDS) == set(START_CODES) == set(STATES)


def test_only_open_states_are_running():
    assert {state for state, word in WORDS.items() if word == "running"} == set(NEXT)


def test_six_words_distinguish_queued_and_cancelled_states():
    differing = {state: word for state, word in SIX_WORDS.items() if word != WORDS[state]}
    assert differing == {"queued": "queued", "cancelled": "canceled"}


@pytest.mark.parametrize("words", [WORDS, SIX_WORDS])
def test_every_state_is_found_only_by_its_own_word(words):
    found = [state for word in set(words.values()) for state in states_of(word, words)]
    assert sorted(found) == sorted(STATES)
    assert all(state in states_of(word, words) for state, word in words.items())
