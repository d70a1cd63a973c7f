"""The tree of a run: groups, schemas, tables, and their states."""

import pytest

from events import types
from projections.read_models.load_plans import PROJECTION
from projections.read_models.load_plans.apply import rolled
from tests.projections.histories import GROUPED, TREE, History, run_id, shown


@pytest.fixture
def history() -> History:
    history = History()
    history.register("example.PLAN", TREE)
    history.queue(1, "example.PLAN")
    return history


def table(name, task, state="pending"):
    return {"name": name, "state": state, "task": task}


def schema(name, *tables, state="pending"):
    return {"name": name, "state": state, "tables": list(tables)}


def group(name, *schemas, state="pending"):
    return {"name": name, "state": state, "schemas": list(schemas)}


def states(history):
    groups = shown(PROJECTION, history)["groups"]
    return [(g["state"], *(s["state"] for s in g["schemas"])) for g in groups]


def test_a_queued_run_shows_its_whole_tree_as_pending(history):
    assert shown(PROJECTION, history) == {
        "run": {
            "run_id": run_id(1),
            "run_number": 1,
            "tenant": "acme",
            "fullname": "example.PLAN",
            "flow_ids": {"etlworks": {"flowId": 7}},
            "status": "queued",
            "failing": False,
            "tasks_succeeded": 0,
            "position": 2,
        },
        "groups": [
            group(
                "Group 1",
                schema("sales", table("sales.orders", "T1")),
                schema("stock", table("stock.items", "T2")),
            ),
            group("Group 2", schema("hr", table("hr.people", "T3"))),
        ],
    }


def test_a_flow_without_a_load_plan_shows_its_steps_as_groups_and_no_hooks():
    history = History()
    history.register(plan=GROUPED)
    history.queue()

    assert shown(PROJECTION, history)["groups"] == [
        group("FIRST", schema("FIRST", table("FIRST.FIRST", "FIRST"))),
        group("G", schema("G", table("G.X", "G/X"), table("G.Y", "G/Y"))),
    ]


def test_hooks_are_no_part_of_the_tree():
    history = History()
    history.register()
    history.queue()
    history.tell(types.TASK_STARTED, task="OK", attempt=1)

    assert [group["name"] for group in shown(PROJECTION, history)["groups"]] == ["A", "B"]


def test_states_roll_up_while_the_run_goes_on(history):
    history.tell(types.RUN_STARTED)
    history.tell(types.TASK_STARTED, task="T1", attempt=1)
    assert states(history) == [("running", "running", "pending"), ("pending", "pending")]

    history.tell(types.TASK_SUCCEEDED, task="T1")
    assert states(history) == [("running", "succeeded", "pending"), ("pending", "pending")]


def test_states_roll_up_when_all_has_ended(history):
    history.tell(types.TASK_SUCCEEDED, task="T1")
    history.tell(types.TASK_FAILED, task="T2", reason="error", will_retry=False)
    history.tell(types.TASK_SKIPPED, task="T3")
    history.tell(types.RUN_FAILED, reason="error")

    assert states(history) == [("partial", "succeeded", "failed"), ("skipped", "skipped")]
    run = shown(PROJECTION, history)["run"]
    assert (run["status"], run["failing"], run["tasks_succeeded"]) == ("failed", True, 1)


def test_a_failure_that_will_be_tried_again_is_running(history):
    history.tell(types.TASK_FAILED, task="T1", reason="error", will_retry=True)

    assert states(history)[0] == ("running", "running", "pending")


@pytest.mark.parametrize(
    ("below", "state"),
    [
        (["pending", "pending"], "pending"),
        (["pending", "succeeded"], "running"),
        (["running", "failed"], "running"),
        (["succeeded", "succeeded"], "succeeded"),
        (["failed", "failed"], "failed"),
        (["warned"], "warned"),
        (["skipped", "skipped"], "skipped"),
        (["failed", "cancelled"], "cancelled"),
        (["succeeded", "cancelled", "skipped"], "cancelled"),
        (["succeeded", "failed"], "partial"),
        (["succeeded", "warned"], "partial"),
        (["partial", "succeeded"], "partial"),
        ([], "succeeded"),
    ],
)
def test_states_below_make_one(below, state):
    assert rolled(below) == state
