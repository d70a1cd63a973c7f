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
def test_what_is_encoded_comes_back_equal(value):
    assert decode(encode(value)) == value


@given(objects)
def test_equal_values_have_equal_bytes_in_whatever_order_their_keys_came(value):
    backwards = dict(reversed(value.items()))
    assert encode(backwards) == encode(value)


@given(objects)
def test_encoded_bytes_are_json_to_the_standard_library_too(value):
    assert json.loads(encode(value)) == value


@given(objects)
def test_json_from_outside_comes_back_as_the_standard_library_reads_it(value):
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
def test_what_json_would_lose_is_refused_before_it_is_stored(value):
    with pytest.raises(InvalidEvent, match="not storable as JSON"):
        encode(value)


def test_a_value_that_contains_itself_is_refused():
    value: dict = {}
    value["self"] = value
    with pytest.raises(InvalidEvent):
        encode(value)


@pytest.mark.parametrize("text", ["null", "\\u0000", 'say "null"', "\u2028", "\U0001f600"])
def test_text_that_only_looks_like_a_loss_is_kept(text):
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
def test_json_that_cannot_be_kept_without_loss_is_malformed(raw):
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
def test_json_that_only_looks_too_big_is_read(raw, value):
    assert parse(raw) == value


def test_wide_json_is_not_deep_json():
    assert parse(b"[" + b",".join([b"[]"] * 1000) + b"]") == [[]] * 1000


def test_the_deepest_json_from_outside_can_be_stored_in_a_body():
    value = parse(nested(MAX_DEPTH))
    assert decode(encode({"data": {"payload": value}}))["data"]["payload"] == value


def test_json_longer_than_allowed_is_malformed():
    assert parse(b"[1,2]", max_bytes=5) == [1, 2]
    with pytest.raises(MalformedJson, match="5 bytes are more than the 4 allowed"):
        parse(b"[1,2]", max_bytes=4)
