"""Every state has Incorta's two words, and pollers find one of two state types."""

from __future__ import annotations

import pytest

from service.dialects.incorta import statuses
from tests.dialects.facts import STATES, TERMINAL, run_facts

LOAD, END = "Load State", "Terminator State"


def groups(*states):
    return [{"schemas": [{"tables": [{"state": state}]}]} for state in states]


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("queued", (LOAD, "In Queue")),
        ("running", (LOAD, "In Progress")),
        ("cancelling", (LOAD, "In Progress")),
        ("succeeded", (END, "Success")),
        ("warned", (END, "Finished with Errors")),
        ("failed", (END, "Failed")),
        ("cancelled", (END, "Interrupted")),
    ],
)
def test_plan_status_follows_the_state_of_its_run(state, word):
    assert statuses.plan(run_facts(state), groups("failed")) == word


@pytest.mark.parametrize("loaded", ["succeeded", "warned"])
def test_failed_plan_with_a_loaded_table_finished_with_errors(loaded):
    word = statuses.plan(run_facts("failed"), groups("failed", loaded))
    assert word == (END, "Finished with Errors")


def test_failed_plan_with_only_a_succeeded_hook_is_failed():
    run = run_facts("failed", tasks_succeeded=1)
    assert statuses.plan(run, groups("failed", "skipped")) == (END, "Failed")


def test_failing_plan_is_in_progress_until_it_ends():
    run = run_facts("running", failing=True, tasks_succeeded=1)
    assert statuses.plan(run, groups("failed", "succeeded")) == (LOAD, "In Progress")


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("pending", (LOAD, "In Queue")),
        ("running", (LOAD, "In Progress")),
        ("succeeded", (END, "Success")),
        ("warned", (END, "Finished with Errors")),
        ("partial", (END, "Finished with Errors")),
        ("failed", (END, "Failed")),
        ("cancelled", (END, "Interrupted")),
        ("skipped", (END, "Not Completed")),
    ],
)
def test_node_state_maps_to_the_vendors_words(state, word):
    assert statuses.NODES[state] == word


@pytest.mark.parametrize("state", STATES)
def test_no_node_is_open_below_an_ended_plan(state):
    below = {state_type for state_type, _ in statuses.nodes(run_facts(state)).values()}
    assert below == ({END} if state in TERMINAL else {LOAD, END})


def test_every_state_has_a_word():
    assert set(statuses.RUNS) == set(STATES)
