"""Paging's junk, and what is wrong with the body of a start, in Director's order and words."""

from __future__ import annotations

import json

import pytest

from service.dialects.director.errors import InvalidBody, MalformedJsonBody
from service.dialects.director.parsing import _START as VALIDATOR
from service.dialects.director.parsing import START, Paging, Start, parse_start, read_paging
from service.dialects.director.parsing import _is_json as is_json
from service.errors import BadRequest, NotFound


@pytest.mark.parametrize(
    ("query", "page", "per_page"),
    [
        ({}, 1, 1000),
        ({"foo": "bar", "status": "error"}, 1, 1000),
        ({"page": "2"}, 2, 1000),
        ({"page": "abc"}, 1, 1000),
        ({"page": ""}, 1, 1000),
        ({"page": "1.5"}, 1, 1000),
        ({"page": "+1"}, 1, 1000),
        ({"per_page": "5"}, 1, 5),
        ({"per_page": " 5"}, 1, 5),
        ({"per_page": "1_0"}, 1, 10),
        ({"per_page": "0"}, 1, 0),
        ({"per_page": "abc"}, 1, 1000),
        ({"per_page": ""}, 1, 1000),
        ({"per_page": "2.5"}, 1, 1000),
        ({"per_page": "9" * 5000}, 1, 1000),
        ({"per_page": "99999999999999"}, 1, 99999999999999),
        ({"page": str(2**63 - 1)}, 2**63 - 1, 1000),
    ],
)
def test_page_is_parsed_as_director_does(query, page, per_page):
    assert read_paging(query) == Paging(page, per_page, with_payload=True)


@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"},
        {"page": "-1"},
        {"per_page": "-1"},
        {"per_page": "-5"},
        {"page": "-" + "9" * 20},
    ],
)
def test_page_below_the_first_is_not_found(query):
    with pytest.raises(NotFound):
        read_paging(query)


@pytest.mark.parametrize("name", ["page", "per_page"])
def test_number_beyond_64_bits_is_refused(name):
    with pytest.raises(BadRequest) as refused:
        read_paging({name: str(2**63)})
    assert refused.value.field == name


@pytest.mark.parametrize("word", ["n", "no", "f", "false", "off", "0", "NO", "False", "oFF"])
def test_payload_is_omitted_for_a_false_word(word):
    assert not read_paging({"with_payload": word}).with_payload


@pytest.mark.parametrize("word", ["y", "yes", "t", "true", "on", "1", "", "junk", "2", "False "])
def test_payload_is_shown_for_any_other_word(word):
    assert read_paging({"with_payload": word}).with_payload


@pytest.mark.parametrize(("page", "per_page", "offset"), [(1, 1000, 0), (3, 5, 10), (2, 0, 0)])
def test_page_starts_after_the_previous_pages(page, per_page, offset):
    assert Paging(page, per_page, with_payload=True).offset == offset


def _start(**changes):
    return {"project": "example", "name": "ETL", "payload": {}, **changes}


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (_start(), []),
        (_start(comment=""), []),
        (_start(comment="x" * 255), []),
        (
            {},
            [
                "'project' is a required property",
                "'name' is a required property",
                "'payload' is a required property",
            ],
        ),
        (
            {"project": "example"},
            ["'name' is a required property", "'payload' is a required property"],
        ),
        (_start(payload=None), ["None is not of type 'object'"]),
        (_start(payload=[]), ["[] is not of type 'object'"]),
        (_start(payload="x"), ["'x' is not of type 'object'"]),
        (
            {"project": 1, "name": 2, "payload": 3},
            [
                "1 is not of type 'string'",
                "2 is not of type 'string'",
                "3 is not of type 'object'",
            ],
        ),
        (_start(comment=None), ["None is not of type 'string'"]),
        (_start(comment=5), ["5 is not of type 'string'"]),
        (_start(foo=1), ["Additional properties are not allowed ('foo' was unexpected)"]),
        (
            _start(foo=1, baz=2),
            ["Additional properties are not allowed ('baz', 'foo' were unexpected)"],
        ),
        (
            {"project": 1, "foo": 1},
            [
                "'name' is a required property",
                "'payload' is a required property",
                "Additional properties are not allowed ('foo' was unexpected)",
                "1 is not of type 'string'",
            ],
        ),
        (_start(comment="x" * 256, project=1), ["1 is not of type 'string'"]),
    ],
)
def test_all_errors_of_a_body_are_listed_in_order(body, errors):
    assert [error.message for error in VALIDATOR.iter_errors(body)] == errors


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"[]", "[] is not of type 'object'"),
        (b'"x"', "'x' is not of type 'object'"),
        (b"null", "None is not of type 'object'"),
        (b"5", "5 is not of type 'object'"),
    ],
)
def test_body_other_than_an_object_is_refused_where_director_crashes(body, error):
    with pytest.raises(InvalidBody) as refused:
        parse_start(body)
    assert refused.value.errors == (error,)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32-le"])
def test_json_is_parsed_in_every_encoding_that_python_detects(encoding):
    body = json.dumps(_start(comment="é"), ensure_ascii=False).encode(encoding)
    assert parse_start(body) == Start("example", "ETL", {}, "é")


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"a": "\xff"}', b"\xff\xfe", b"[" * 9999, b"9" * 9999]
)
def test_text_that_python_cannot_parse_as_json_is_refused(body):
    with pytest.raises(MalformedJsonBody):
        parse_start(body)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("NaN", "no JSON"),
        ("1e999", "no JSON"),
        ("9" * 30, "64 bits"),
        (r'"\u0000"', "NUL"),
        (r'"\ud800"', "surrogate"),
        ("[" * 201 + "]" * 201, "nested deeper"),
    ],
)
def test_unstorable_value_is_reported_only_if_the_body_has_no_errors(value, reason):
    body = '{"project": "example", "name": "ETL", "payload": {"a": %s}%s}'
    assert reason in parse_start((body % (value, "")).encode()).unstorable
    with pytest.raises(InvalidBody) as refused:
        parse_start((body % (value, ', "foo": 1')).encode())
    assert len(refused.value.errors) == 1


@pytest.mark.parametrize(("length", "storable"), [(255, True), (256, False)])
def test_long_comment_is_unstorable(length, storable):
    body = json.dumps(_start(comment="é" * length)).encode()
    assert (parse_start(body).unstorable is None) is storable


@pytest.mark.parametrize(
    ("project", "name", "own"),
    [("example", "with.dots", None), ("example.with", "dots", "example.with"), ("", "a.b", None)],
)
def test_project_is_stored_if_it_does_not_end_at_the_first_dot(project, name, own):
    start = parse_start(json.dumps(_start(project=project, name=name)).encode())
    assert (start.fullname, start.own_project) == (f"{project}.{name}", own)


def test_start_schema_is_a_valid_json_schema():
    VALIDATOR.check_schema(START)


@pytest.mark.parametrize(
    ("content_type", "accepted"),
    [
        ("application/json", True),
        ("Application/JSON", True),
        ("application/vnd.api+json", True),
        ("text/plain", False),
        ("text/x+json", False),
        ("application/octet-stream", False),
        ("application/x-www-form-urlencoded", False),
    ],
)
def test_json_is_recognised_by_its_content_type(content_type, accepted):
    assert is_json(content_type) is accepted
