"""InVision's ids are UUIDs in lower case, or names that the customer brought along."""

from __future__ import annotations

from uuid import UUID

import pytest

from service.dialects.invision import ids
from service.flows.identity import FlowIdentity
from tests.dialects.facts import FLOW_IDS, RUN_ID, run_facts

FLOW = FlowIdentity("default", "nightly.ORDERS", 7)


def test_dataflow_id_is_a_stable_lower_case_uuid():
    assert ids.flow_ids(FLOW, {}) == {"dataflowId": "afe386ac-0846-5e9a-807e-cc47dfa0521a"}


@pytest.mark.parametrize(
    "other",
    [FlowIdentity("default", "nightly.STOCK", 8), FlowIdentity("other", "nightly.ORDERS", 7)],
)
def test_different_flows_have_different_ids(other):
    assert ids.flow_ids(other, {}) != ids.flow_ids(FLOW, {})


@pytest.mark.parametrize(
    ("fixed", "shown"),
    [
        ("dataflow1", "dataflow1"),
        ("DataFlow1", "dataflow1"),
        ("6F0F2F1E-5A0C-4F57-9D0E-0D6F1B6A7C11", "6f0f2f1e-5a0c-4f57-9d0e-0d6f1b6a7c11"),
        ("nightly load", "nightly load"),
    ],
)
def test_customers_id_in_any_letter_case_overrides_the_generated_one(fixed, shown):
    assert ids.flow_ids(FLOW, {"dataflowId": fixed}) == {"dataflowId": shown}
    assert ids.canonical(fixed) == shown


@pytest.mark.parametrize("wrong", ["", "a/b", "..", ".", "a\nb", "x" * 201, 7, None])
def test_id_that_cannot_stand_in_a_path_is_refused(wrong):
    with pytest.raises(ValueError, match="dataflowId must be a text"):
        ids.flow_ids(FLOW, {"dataflowId": wrong})


def test_id_of_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="'id'"):
        ids.flow_ids(FLOW, {"id": "dataflow1"})


def test_run_ids_are_the_flow_id_and_the_run_id():
    generated = UUID(ids.run_ids(run_facts())["runId"])
    assert ids.run_ids(run_facts()) == {**FLOW_IDS["invision"], "runId": RUN_ID}
    assert str(generated) == RUN_ID
