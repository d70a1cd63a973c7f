"""The tree that Incorta's clients walk, cut off at the level they ask for."""

from __future__ import annotations

import pytest

from service.dialects.incorta import rendering
from tests.dialects.facts import run_facts


def node(name, state, **children):
    return {"name": name, "state": state, **children}


def document(status="running", groups=None):
    sales = node("Sales", "succeeded", tables=[node("Sales.orders", "succeeded")])
    stock = node("Stock", "running", tables=[node("Stock.items", "running")])
    first = node("Group 1", "running", schemas=[sales, stock])
    second = node("Group 2", "pending", schemas=[node("Mart", "pending", tables=[])])
    return {
        "run": run_facts(status),
        "groups": [first, second] if groups is None else groups,
    }


PLAN = {
    "name": "LP_Orders",
    "type": "LOAD_PLAN",
    "status": {"stateType": "Load State", "jobStatus": "In Progress"},
}


def status(state_type, job_status):
    return {"stateType": state_type, "jobStatus": job_status}


def test_level_1_is_only_the_plan():
    assert rendering.tree(document(), 1) == PLAN


def test_level_2_adds_the_groups_and_no_other_key():
    assert rendering.tree(document(), 2)["childStatusDetails"] == [
        {"name": "Group 1", "type": "GROUP", "status": status("Load State", "In Progress")},
        {"name": "Group 2", "type": "GROUP", "status": status("Load State", "In Queue")},
    ]


def test_level_3_has_the_schemas():
    first, second = rendering.tree(document(), 3)["childStatusDetails"]
    assert first["childStatusDetails"] == [
        {"name": "Sales", "type": "SCHEMA", "status": status("Terminator State", "Success")},
        {"name": "Stock", "type": "SCHEMA", "status": status("Load State", "In Progress")},
    ]
    assert second["childStatusDetails"] == [
        {"name": "Mart", "type": "SCHEMA", "status": status("Load State", "In Queue")},
    ]


def test_level_4_has_the_tables_and_an_empty_list_where_there_are_none():
    first, second = rendering.tree(document(), 4)["childStatusDetails"]
    assert first["childStatusDetails"][0]["childStatusDetails"] == [
        {"name": "Sales.orders", "type": "TABLE", "status": status("Terminator State", "Success")}
    ]
    assert second["childStatusDetails"][0]["childStatusDetails"] == []


def test_plan_without_groups_has_an_empty_list_below_it():
    assert rendering.tree(document(groups=[]), 4)["childStatusDetails"] == []


@pytest.mark.parametrize("ended", ["succeeded", "warned", "failed", "cancelled"])
def test_open_nodes_below_an_ended_plan_are_shown_as_terminated(ended):
    first, second = rendering.tree(document(ended), 2)["childStatusDetails"]
    assert first["status"] == status("Terminator State", "Interrupted")
    assert second["status"] == status("Terminator State", "Not Completed")
