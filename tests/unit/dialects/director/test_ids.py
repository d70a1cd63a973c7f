"""Ids are read as Python reads UUIDs, which is what Director does."""

from __future__ import annotations

import pytest

from service.dialects.director import ids
from service.errors import UnknownRun
from service.flows.identity import FlowIdentity

FLOW = FlowIdentity("default", "example.ETL", 7)
RUN_ID = "e0ee42d8-e00f-4557-8f75-781106dbbea4"


@pytest.mark.parametrize(
    "typed",
    [
        RUN_ID,
        RUN_ID.upper(),
        RUN_ID.replace("-", ""),
        "{" + RUN_ID + "}",
        "urn:uuid:" + RUN_ID,
        RUN_ID.replace("-", "").upper(),
    ],
)
def test_id_is_parsed_in_any_notation(typed):
    assert ids.run_id(typed) == RUN_ID


@pytest.mark.parametrize("typed", ["abc", "123", RUN_ID[:-1], RUN_ID + "0", "", "é" * 32])
def test_malformed_id_is_an_unknown_run(typed):
    with pytest.raises(UnknownRun) as refused:
        ids.run_id(typed)
    assert refused.value.run == typed


def test_flow_has_no_ids():
    assert ids.flow_ids(FLOW, {}) == {}


def test_fixed_id_of_a_flow_is_refused():
    with pytest.raises(ValueError, match="workflowId"):
        ids.flow_ids(FLOW, {"workflowId": "wfA1b2C3d4E5"})


def test_workflow_id_is_the_run_id(run):
    assert ids.run_ids(run(run_id=RUN_ID)) == {"id": RUN_ID}
