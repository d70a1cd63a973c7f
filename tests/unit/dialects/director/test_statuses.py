"""Every state has one of Director's five words."""

from __future__ import annotations

import typing

import pytest

from service.dialects.director.statuses import RUNS, TASKS, Word, has_failed, workflow_status

STATES = ["queued", "running", "cancelling", "succeeded", "warned", "failed", "cancelled"]
TASK_STATES = ["pending", "running", "succeeded", "warned", "failed", "cancelled", "skipped"]


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("queued", "pending"),
        ("running", "progress"),
        ("cancelling", "progress"),
        ("succeeded", "success"),
        ("warned", "success"),
        ("failed", "error"),
        ("cancelled", "canceled"),
    ],
)
def test_run_state_maps_to_the_vendors_word(run, status, word):
    assert workflow_status(run(status=status)) == word


@pytest.mark.parametrize("status", ["running", "cancelling", "failed", "cancelled"])
def test_run_is_error_after_its_first_final_failure(run, status):
    assert workflow_status(run(status=status, failing=True)) == "error"


def test_every_state_maps_to_one_of_five_words():
    assert set(RUNS) == set(STATES)
    assert set(TASKS) == set(TASK_STATES)
    assert {*RUNS.values(), *TASKS.values()} == set(typing.get_args(Word))


@pytest.mark.parametrize(
    ("facts", "failed"),
    [
        ({"status": "running"}, False),
        ({"status": "running", "failing": True}, True),
        ({"status": "failed"}, True),
        ({"status": "succeeded"}, False),
        ({"status": "cancelled"}, False),
    ],
)
def test_run_has_failed_after_a_final_task_failure(run, facts, failed):
    assert has_failed(run(**facts)) is failed
