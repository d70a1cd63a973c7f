"""Every state of a run has one of InVision's four words."""

from __future__ import annotations

import pytest

from service.dialects.invision import rendering
from service.dialects.invision.statuses import WORDS
from tests.dialects.facts import RUN_ID, STATES, run_facts


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("queued", "Pending"),
        ("running", "Running"),
        ("cancelling", "Running"),
        ("succeeded", "Succeeded"),
        ("warned", "Succeeded"),
        ("failed", "Failed"),
        ("cancelled", "Failed"),
    ],
)
def test_status_shows_the_run_id_and_the_status_word(state, word):
    assert rendering.status(run_facts(state)) == {"runId": RUN_ID, "status": word}


def test_run_with_a_failed_task_is_running_until_it_ends():
    assert rendering.status(run_facts("running", failing=True))["status"] == "Running"


def test_every_state_has_a_word():
    assert set(WORDS) == set(STATES)
