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
def test_state_has_its_word_and_its_start_code(state, word, code):
    assert (WORDS[state], START_CODES[state]) == (word, code)


def test_every_state_is_worded():
    assert set(WORDS) == set(SIX_WORDS) == set(START_CODES) == set(STATES)


def test_only_a_state_without_an_end_is_running():
    assert {state for state, word in WORDS.items() if word == "running"} == set(NEXT)


def test_six_words_tell_apart_what_waits_and_what_was_cancelled():
    told = {state: word for state, word in SIX_WORDS.items() if word != WORDS[state]}
    assert told == {"queued": "queued", "cancelled": "canceled"}


@pytest.mark.parametrize("words", [WORDS, SIX_WORDS])
def test_every_state_is_found_by_its_word_and_no_other(words):
    found = [state for word in set(words.values()) for state in states_of(word, words)]
    assert sorted(found) == sorted(STATES)
    assert all(state in states_of(word, words) for state, word in words.items())
