"""Every state has one of NAVER's five words."""

from __future__ import annotations

import typing

import pytest

from service.dialects.naver.statuses import RUNS, Word


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("queued", "READY"),
        ("running", "RUNNING"),
        ("cancelling", "RUNNING"),
        ("succeeded", "COMPLETED"),
        ("warned", "COMPLETED"),
        ("failed", "FAILED"),
        ("cancelled", "CANCELED"),
    ],
)
def test_run_state_has_its_word(status, word):
    assert RUNS[status] == word


def test_every_state_has_a_word_of_the_five():
    assert len(RUNS) == 7
    assert set(RUNS.values()) == set(typing.get_args(Word))
