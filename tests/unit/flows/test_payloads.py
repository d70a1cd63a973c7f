"""A payload is checked against its flow's schema before a run starts."""

import json
from dataclasses import replace

import pytest

from projections.documents.flow import Flow, Plan
from service.errors import InvalidPayload
from service.flows.payloads import MAX_ERROR_TEXT, check

FLOW = Flow("t", "a.B", "a", "B", 1, 1, "in_process", False, None, {}, {}, Plan(()))  # noqa: FBT003


def flow(schema: dict) -> Flow:
    return replace(FLOW, payload_schema=json.dumps(schema))


def test_flow_without_a_schema_accepts_any_payload():
    check(FLOW, {"anything": ["goes"]})


def test_valid_payload_is_accepted():
    check(flow({"required": ["a"], "properties": {"a": {"type": "integer"}}}), {"a": 1, "b": 2})


def test_errors_are_in_the_order_of_the_schemas_keywords():
    properties = {"z": {"type": "integer"}, "a": {"type": "null"}}
    payload = {"a": 1, "z": "x", "more": True}
    written = {"properties": properties, "additionalProperties": False, "required": ["b"]}
    with pytest.raises(InvalidPayload) as raised:
        check(flow(written), payload)
    assert raised.value.errors == (
        "'x' is not of type 'integer'",
        "1 is not of type 'null'",
        "Additional properties are not allowed ('more' was unexpected)",
        "'b' is a required property",
    )


def test_schema_chooses_its_version_of_json_schema():
    old = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 5}
    tuple_form = {"properties": {"a": {"items": [{"type": "string"}]}}}
    check(flow({"$schema": old["$schema"], **tuple_form}), {"a": ["x", 1]})
    exclusive = {"properties": {"a": {"minimum": 5, "exclusiveMinimum": True}}}
    with pytest.raises(InvalidPayload, match="5 is less than or equal to the minimum of 5"):
        check(flow({"$schema": old["$schema"], **exclusive}), {"a": 5})


def test_error_texts_share_one_bound_and_are_complete_up_to_it():
    with pytest.raises(InvalidPayload) as raised:
        check(
            flow({"properties": {"a": {"items": {"type": "null"}}}}),
            {"a": ["x" * 5000] * 5000},
        )
    *whole, last = raised.value.errors
    assert set(whole) == {f"{'x' * 5000!r} is not of type 'null'"}
    assert last.endswith("...")
    assert sum(map(len, raised.value.errors)) == MAX_ERROR_TEXT + len("...")


def test_endlessly_recursive_schema_refuses_the_payload():
    with pytest.raises(InvalidPayload, match="nested too deeply for its schema"):
        check(flow({"$ref": "#"}), {})


def test_flows_of_the_same_name_and_version_keep_their_own_schemas():
    check(flow({"required": ["a"]}), {"a": 1})
    check(flow({"required": ["b"]}), {"b": 1})
