"""Every state has one of NAVER's five words."""

from __future__ import annotations

import typing

import pytest

from projections.documents.lifecycle import TaskStatus
from service.dialects.naver.statuses import ENDED, RUNS, TASKS, Word


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
def test_run_state_maps_to_the_vendors_word(status, word):
    assert RUNS[status] == word


def test_every_state_maps_to_one_of_five_words():
    assert len(RUNS) == 7
    assert set(RUNS.values()) == set(typing.get_args(Word))


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("pending", "READY"),
        ("running", "RUNNING"),
        ("succeeded", "COMPLETED"),
        ("warned", "COMPLETED"),
        ("failed", "FAILED"),
        ("cancelled", "CANCELED"),
        ("skipped", "CANCELED"),
    ],
)
def test_task_state_maps_to_the_vendors_word(status, word):
    assert TASKS[status] == word


def test_every_task_state_maps_to_one_of_five_words():
    assert set(TASKS) == set(typing.get_args(TaskStatus))
    assert set(TASKS.values()) == set(typing.get_args(Word))
    assert set(typing.get_args(Word)) - {"READY", "RUNNING"} == ENDED
