"""Incorta's ids are the name of a plan and a 32-bit integer."""

from __future__ import annotations

import pytest

from service.dialects.incorta import ids
from service.flows.identity import FlowIdentity
from tests.dialects.facts import run_facts

FLOW = FlowIdentity("default", "nightly.ORDERS", 7)


def test_load_plan_has_the_name_of_its_flow():
    assert ids.flow_ids(FLOW, {}) == {"loadPlanName": "nightly.ORDERS"}


def test_customers_name_overrides_the_flows_name():
    assert ids.flow_ids(FLOW, {"loadPlanName": "LP Orders"}) == {"loadPlanName": "LP Orders"}


@pytest.mark.parametrize("wrong", ["", "a\nb", "x" * 256, 7, None])
def test_unprintable_name_is_refused(wrong):
    with pytest.raises(ValueError, match="loadPlanName must be a text"):
        ids.flow_ids(FLOW, {"loadPlanName": wrong})


def test_id_of_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="'name'"):
        ids.flow_ids(FLOW, {"name": "LP Orders"})


def test_run_ids_are_the_plan_id_and_the_run_number():
    assert ids.run_ids(run_facts()) == {"loadPlanName": "LP_Orders", "executionId": 880012}
