import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.codec import MAX_DEPTH, decode, encode, parse
from events.errors import InvalidEvent, MalformedJson

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(texts, values, max_size=5)


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@given(objects)
def test_encoded_value_decodes_equal(value):
    assert decode(encode(value)) == value


@given(objects)
def test_equal_values_encode_equal_in_any_key_order(value):
    backwards = dict(reversed(value.items()))
    assert encode(backwards) == encode(value)


@given(objects)
def test_standard_library_reads_encoded_bytes(value):
    assert json.loads(encode(value)) == value


@given(objects)
def test_parse_agrees_with_the_standard_library(value):
    assert parse(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "value",
    [
        {"a": math.nan},
        {"a": [None, math.inf]},
        {"a": {"b": -math.inf}},
        {"a": "\x00"},
        {"a\x00": None},
        {"a": ["b", ("c", "\x00")]},
        {"a": 2**64},
        {"a": -(2**63) - 1},
        {1: "a"},
        {"a": {2: "b"}},
        {"a": "\ud800"},
        {"a": object()},
        {"a": b"bytes"},
    ],
)
def test_encode_refuses_values_json_would_lose(value):
    with pytest.raises(InvalidEvent, match="not storable as JSON"):
        encode(value)


def test_encode_refuses_cyclic_value():
    value: dict = {}
    value["self"] = value
    with pytest.raises(InvalidEvent):
        encode(value)


@pytest.mark.parametrize("text", ["null", "\\u0000", 'say "null"', "\u2028", "\U0001f600"])
def test_encode_keeps_text_that_looks_like_null_or_nul(text):
    assert decode(encode({"a": text, "b": None})) == {"a": text, "b": None}


@pytest.mark.parametrize(
    "raw",
    [
        b"18446744073709551616",
        b"-9223372036854775809",
        b'{"a":[1,{"b":123456789012345678901234567890}]}',
        b"9" * 5000,
        b'"\\u0000"',
        b'{"a\\u0000":1}',
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e400",
        b'"\xff"',
        b'"\\ud800"',
        b"",
        b"{",
        b'"\x00"',
        nested(MAX_DEPTH + 1),
        nested(100_000),
        b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
    ],
)
def test_parse_refuses_json_that_would_lose_information(raw):
    with pytest.raises(MalformedJson):
        parse(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"18446744073709551615", 2**64 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"0.1234567890123456789012345", 0.1234567890123456789012345),
        (b'"1234567890123456789012345"', "1234567890123456789012345"),
        (b'"\\\\u0000"', "\\u0000"),
        (b"[[],[]]" * 1, [[], []]),
    ],
)
def test_parse_accepts_long_digits_outside_integers(raw, value):
    assert parse(raw) == value


def test_parse_accepts_wide_json():
    assert parse(b"[" + b",".join([b"[]"] * 1000) + b"]") == [[]] * 1000


def test_deepest_json_that_parse_accepts_can_be_encoded_in_a_body():
    value = parse(nested(MAX_DEPTH))
    assert decode(encode({"data": {"payload": value}}))["data"]["payload"] == value


def test_parse_refuses_more_than_max_bytes():
    assert parse(b"[1,2]", max_bytes=5) == [1, 2]
    with pytest.raises(MalformedJson, match="5 bytes are more than the 4 allowed"):
        parse(b"[1,2]", max_bytes=4)
