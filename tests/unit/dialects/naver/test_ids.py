"""NAVER's ids have 12 characters of base 62; a run's is its number and back."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.dialects.naver import ids
from service.flows.identity import FlowIdentity

FLOW = FlowIdentity("default", "example.ETL", 1)
RUN_NUMBERS = st.integers(1, ids.MAX_RUN_NUMBER)
KNOWN = {"workflowId": "FqWVnly7D5Yi", "jobId": "uRnp8kFVuTby", "triggerId": "zpum1MmJCc8f"}
SHAPE = re.compile(r"[0-9A-Za-z]{12}")


@given(RUN_NUMBERS)
def test_execution_id_decodes_to_its_run_number(number):
    execution_id = ids.execution_id(number)
    assert SHAPE.fullmatch(execution_id)
    assert ids.execution(execution_id) == (number, 0)


@pytest.mark.parametrize("number", [1, 2, ids.MAX_RUN_NUMBER])
def test_execution_id_is_stable(number):
    known = {1: "kNObG9dBSJ6Y", 2: "CLVhnFse9loB", ids.MAX_RUN_NUMBER: "UulIN7gzuFNY"}
    assert ids.execution_id(number) == known[number]


def test_id_scrambling_is_a_bijection():
    assert math.gcd(ids._FACTOR, 62) == 1


@given(st.text(ids.DIGITS, min_size=12, max_size=12))
def test_decoded_execution_id_encodes_back_to_itself(text):
    named = ids.execution(text)
    assert named is None or ids.execution_id(*named) == text


@given(RUN_NUMBERS, st.integers(0, ids.MAX_ROW))
def test_execution_id_decodes_to_its_run_and_row(number, row):
    execution_id = ids.execution_id(number, row)
    assert SHAPE.fullmatch(execution_id)
    assert ids.execution(execution_id) == (number, row)


@given(st.sets(st.tuples(RUN_NUMBERS, st.integers(0, ids.MAX_ROW)), min_size=2))
def test_row_ids_are_unique(rows):
    assert len({ids.execution_id(*row) for row in rows}) == len(rows)


@pytest.mark.parametrize(("row", "known"), [(1, "OqzVRKBvJAmo"), (ids.MAX_ROW, "oDLfQUQXq3cY")])
def test_row_id_is_stable(row, known):
    assert ids.execution_id(1, row) == known


def test_row_beyond_the_maximum_is_not_decoded():
    assert ids.execution(ids.execution_id(1, ids.MAX_ROW + 1)) is None


def test_task_keeps_its_job_for_as_long_as_it_keeps_its_path():
    first = ids.task_jobs("default", "example.ETL", ("A", "B"))
    second = ids.task_jobs("default", "example.ETL", ("C", "B"))
    assert list(first.values()) == ["A", "B"]
    assert all(SHAPE.fullmatch(job_id) for job_id in first)
    assert set(first) & set(second) == {job_id for job_id, path in first.items() if path == "B"}
    for tenant, fullname in (("other", "example.ETL"), ("default", "example.ETL2")):
        assert not set(first) & set(ids.task_jobs(tenant, fullname, ("A", "B")))


@pytest.mark.parametrize("number", [0, -1])
def test_impossible_run_number_is_not_decoded(number):
    assert ids.execution(ids.execution_id(number)) is None


@pytest.mark.parametrize(
    "text",
    ["", "abc", "A" * 11, "A" * 13, "A" * 11 + "-", "A" * 12 + "\n", "é" * 12, "\u0661" * 12],
)
def test_text_of_another_shape_is_not_an_execution_id(text):
    assert ids.execution(text) is None


def test_flow_has_three_different_ids():
    settled = ids.flow_ids(FLOW, {})
    assert list(settled) == ["workflowId", "jobId", "triggerId"]
    assert len(set(settled.values())) == 3
    assert all(SHAPE.fullmatch(value) for value in settled.values())


def test_flow_ids_match_known_values():
    assert ids.flow_ids(FLOW, {}) == KNOWN


def test_flow_ids_do_not_depend_on_the_flow_number():
    assert ids.flow_ids(FlowIdentity("default", "example.ETL", 2), {}) == KNOWN


@pytest.mark.parametrize("flow", [("other", "example.ETL"), ("default", "example.ETL2")])
def test_flow_ids_of_another_tenant_or_name_differ(flow):
    others = ids.flow_ids(FlowIdentity(*flow, 1), {})
    assert not set(others.values()) & set(KNOWN.values())


def test_fixed_id_overrides_the_generated_one():
    settled = ids.flow_ids(FLOW, {"workflowId": "wfA1b2C3d4E5"})
    assert settled == {**KNOWN, "workflowId": "wfA1b2C3d4E5"}


@pytest.mark.parametrize(
    "fixed", [{"workflowId": "short"}, {"jobId": 12}, {"triggerId": None}, {"flowId": "A" * 12}]
)
def test_fixed_id_of_another_shape_or_name_is_refused(fixed):
    with pytest.raises(ValueError, match=next(iter(fixed))):
        ids.flow_ids(FLOW, fixed)


def test_run_ids_include_workflow_job_trigger_and_execution(run, flow_ids):
    assert ids.run_ids(run()) == {**flow_ids, "jobExecutionId": "kNObG9dBSJ6Y"}
