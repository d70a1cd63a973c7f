"""A payload is checked against its flow's schema before a run starts."""

import json
from dataclasses import replace

import pytest
from jsonschema.validators import validator_for

from projections.documents.flow import Flow, Plan
from service.errors import InvalidPayload
from service.flows.errors import Diagnostics
from service.flows.payloads import MAX_ERROR_TEXT, check, errors_of, read_schema

DRAFT4 = "http://json-schema.org/draft-04/schema#"
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


EVIL = "^(([a-z])+.)+[A-Z]([a-z])+$"
WITH_PATTERNS = [
    {"properties": {"name": {"type": "string", "pattern": EVIL}}},
    {"patternProperties": {EVIL: {"type": "integer"}}},
    {"patternProperties": {EVIL: {}}, "additionalProperties": {"type": "integer"}},
    {"patternProperties": {EVIL: {}}, "additionalProperties": False},
    {"patternProperties": {EVIL: {}, "^n": {}}, "additionalProperties": False},
    {"$schema": DRAFT4, "patternProperties": {EVIL: {}}, "additionalProperties": False},
]


@pytest.mark.parametrize("schema", WITH_PATTERNS, ids=str)
@pytest.mark.parametrize("text", ["abc", "abcDe", "a.bCd"])
def test_texts_about_patterns_are_those_of_jsonschema(schema, text):
    for payload in ({"name": text}, {text: "x"}, {"name": text, text: "x", "z": 1}):
        # jsonschema's order of additional properties is that of a set.
        expected = [error.message for error in validator_for(schema)(schema).iter_errors(payload)]
        assert sorted(errors_of(json.dumps(schema), payload)) == sorted(expected)


@pytest.mark.parametrize("schema", WITH_PATTERNS, ids=str)
def test_pattern_takes_linear_time_wherever_it_stands(schema):
    """With Python's own matching none of these would end."""
    letters = "a" * 5_000
    assert all(isinstance(text, str) for text in errors_of(json.dumps(schema), {letters: letters}))


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "a{2000}", "("])
def test_pattern_without_linear_time_is_refused_as_the_flow_is_loaded(tmp_path, pattern):
    for schema in (
        {"properties": {"x": {"pattern": pattern}}},
        {"patternProperties": {pattern: {}}},
        {"allOf": [{"items": {"pattern": pattern}}]},
    ):
        diagnostics = Diagnostics("flows.yaml", {})
        assert read_schema(tmp_path, {"schema": schema}, ("a.B",), diagnostics) == (None, None)
        (found,) = diagnostics.collected
        assert "schema: " in found.message


def test_flow_loaded_by_an_older_release_is_refused_with_the_cure():
    (text,) = errors_of(json.dumps({"properties": {"x": {"pattern": "(?=a)b"}}}), {"x": "b"})
    assert "must be changed" in text
