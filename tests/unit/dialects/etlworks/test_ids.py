"""Etlworks' ids are longs below 2^53, and pure functions of what they name."""

from __future__ import annotations

import pytest

from service.dialects.etlworks import ids
from service.flows.identity import FlowIdentity
from tests.dialects.facts import RUN_ID, run_facts


def flow(number=7):
    return FlowIdentity("default", "nightly.ORDERS", number)


def test_flow_id_is_derived_from_the_flow_number():
    assert ids.flow_ids(flow(7), {}) == {"flowId": 1_000_000_007}


def test_flows_of_one_tenant_have_different_ids():
    assert len({ids.flow_ids(flow(number), {})["flowId"] for number in range(1, 500)}) == 499


@pytest.mark.parametrize("fixed", [1, 4711, 2**53 - 1])
def test_customers_flow_id_overrides_the_generated_one(fixed):
    assert ids.flow_ids(flow(), {"flowId": fixed}) == {"flowId": fixed}


@pytest.mark.parametrize("wrong", [0, -1, 2**53, "4711", 47.11, True, None])
def test_flow_id_of_another_shape_is_refused(wrong):
    with pytest.raises(ValueError, match="flowId must be a whole number"):
        ids.flow_ids(flow(), {"flowId": wrong})


def test_id_of_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="'flowID'"):
        ids.flow_ids(flow(), {"flowID": 4711})


def test_run_ids_are_flow_id_run_number_and_run_id():
    assert ids.run_ids(run_facts()) == {"flowId": 4711, "auditId": 880012, "messageId": RUN_ID}


@pytest.mark.parametrize(
    ("given", "listener"),
    [
        ("orders", "orders"),
        ("/orders/new", "orders/new"),
        ("/v1.2/~a_b-c/", "v1.2/~a_b-c"),
        ("x" * 200, "x" * 200),
        ("..a/b..", "..a/b.."),
    ],
)
def test_listener_is_a_path_without_the_slashes_around_it(given, listener):
    assert ids.flow_ids(flow(), {"listener": given}) == {
        "flowId": 1_000_000_007,
        "listener": listener,
    }


@pytest.mark.parametrize(
    "wrong",
    ["", "/", "//a", "a//b", "a/{id}", "a b", "a?b", "é", ".", "a/..", "./a", "x" * 201, 5, "a\n"],
)
def test_listener_with_an_impossible_address_is_refused(wrong):
    with pytest.raises(ValueError, match="listener must be a path"):
        ids.flow_ids(flow(), {"listener": wrong})
