"""What waits for a worker, what is in a worker's hands, what is overdue."""

import pytest

from events import types
from projections.read_models.dispatch import PROJECTION
from tests.projections.histories import History, at_us, run_id, shown

WAITING = {
    "run_id": run_id(1),
    "run_number": 1,
    "tenant": "acme",
    "fullname": "example.ETL",
    "flow_version": 1,
    "executor": "in_process",
    "status": "queued",
    "worker": None,
    "epoch": 0,
    "cancel_requested": False,
    "force": False,
    "timeout_s": None,
    "deadline_us": None,
    "queued_position": 2,
    "position": 2,
}


@pytest.fixture
def history() -> History:
    history = History()
    history.register()
    history.queue()
    return history


def test_a_queued_run_waits(history):
    assert shown(PROJECTION, history) == WAITING


def test_a_claimed_run_names_its_worker_and_epoch(history):
    history.tell(types.RUN_CLAIMED, worker="w-1", epoch=1)

    assert shown(PROJECTION, history) == WAITING | {
        "status": "claimed",
        "worker": "w-1",
        "epoch": 1,
        "position": 3,
    }


def test_a_started_run_that_is_claimed_again_keeps_running_in_other_hands():
    history = History()
    history.register(timeout_s=1.5)
    history.queue()
    history.tell(types.RUN_CLAIMED, worker="w-1", epoch=1)
    history.tell(types.RUN_STARTED)
    history.tell(types.RUN_CLAIMED, worker="w-2", epoch=2)

    assert shown(PROJECTION, history) == WAITING | {
        "status": "running",
        "worker": "w-2",
        "epoch": 2,
        "timeout_s": 1.5,
        "deadline_us": at_us(4) + 1_500_000,
        "position": 5,
    }


def test_a_cancel_is_seen_and_its_force_is_not_taken_back(history):
    history.tell(types.RUN_CANCEL_REQUESTED, force=True)
    history.tell(types.RUN_CANCEL_REQUESTED, force=False)

    assert shown(PROJECTION, history) == WAITING | {
        "cancel_requested": True,
        "force": True,
        "position": 4,
    }


@pytest.mark.parametrize("end", sorted(types.RUN_ENDS))
def test_a_run_that_ended_is_gone(history, end):
    history.tell(end)

    assert shown(PROJECTION, history) is None


def test_an_external_run_is_nobodys_business_here():
    history = History()
    history.register(executor="external")
    history.queue()
    history.tell(types.RUN_STARTED)

    assert shown(PROJECTION, history) is None


def test_an_external_run_with_a_timeout_has_a_deadline_from_when_it_was_queued():
    history = History()
    history.register(executor="external", timeout_s=60)
    history.queue()

    assert shown(PROJECTION, history) == WAITING | {
        "executor": "external",
        "timeout_s": 60,
        "deadline_us": at_us(62),
    }


def test_a_run_that_is_to_wait_does_not_until_it_is_claimed():
    history = History()
    history.register(timeout_s=60)
    history.queue(delay_s=1.5)
    waiting = WAITING | {"timeout_s": 60, "deadline_us": at_us(2) + 1_500_000}

    assert shown(PROJECTION, history) == waiting

    history.tell(types.RUN_CLAIMED, worker="w-1", epoch=1)

    assert shown(PROJECTION, history) == waiting | {
        "status": "claimed",
        "worker": "w-1",
        "epoch": 1,
        "deadline_us": None,
        "position": 3,
    }


def test_the_deadline_of_an_external_run_comes_after_its_wait():
    history = History()
    history.register(executor="external", timeout_s=60)
    history.queue(delay_s=30)

    assert shown(PROJECTION, history)["deadline_us"] == at_us(2 + 30 + 60)
