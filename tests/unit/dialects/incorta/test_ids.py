"""Incorta's ids are the name of a plan and a 32-bit integer."""

from __future__ import annotations

import pytest

from service.dialects.incorta import ids
from service.flows.identity import FlowIdentity
from tests.dialects.facts import run_facts

FLOW = FlowIdentity("default", "nightly.ORDERS", 7)


def test_load_plan_is_named_as_the_flow():
    assert ids.flow_ids(FLOW, {}) == {"loadPlanName": "nightly.ORDERS"}


def test_customers_own_name_wins():
    assert ids.flow_ids(FLOW, {"loadPlanName": "LP Orders"}) == {"loadPlanName": "LP Orders"}


@pytest.mark.parametrize("wrong", ["", "a\nb", "x" * 256, 7, None])
def test_name_that_is_no_printable_text_is_refused(wrong):
    with pytest.raises(ValueError, match="loadPlanName must be a text"):
        ids.flow_ids(FLOW, {"loadPlanName": wrong})


def test_id_of_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="'name'"):
        ids.flow_ids(FLOW, {"name": "LP Orders"})


def test_runs_ids_are_its_plans_and_its_number():
    assert ids.run_ids(run_facts()) == {"loadPlanName": "LP_Orders", "executionId": 880012}
