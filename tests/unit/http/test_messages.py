"""Parameters and headers are read strictly; an error names the one at fault."""

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from service.errors import BadRequest
from service.http.messages import parse_integer, parse_uuid, read_idempotency_key

UUID = "5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4"


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("2147483647", 2**31 - 1), ("007", 7)])
def test_integer_in_bounds_is_parsed(text, value):
    assert parse_integer(text, "page") == value


def test_integer_at_a_given_lower_bound_is_parsed():
    assert parse_integer("-5", "offset", low=-5, high=5) == -5


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "2147483648", "1.0", "1e3", " 1", "1 ", "+1", "1_0", "٣", "0x1", "9" * 99],
)
def test_text_other_than_an_integer_in_bounds_is_refused(text):
    with pytest.raises(BadRequest, match="page must be a whole number from 1 to") as refused:
        parse_integer(text, "page")
    assert refused.value.field == "page"


@pytest.mark.parametrize("text", [UUID, UUID.upper()])
def test_uuid_in_any_case_is_parsed_to_lower_case(text):
    assert parse_uuid(text, "runId") == UUID


@pytest.mark.parametrize("text", ["", UUID[:-1], UUID.replace("-", ""), f"{{{UUID}}}", UUID + "\n"])
def test_text_other_than_a_hyphenated_uuid_is_refused(text):
    with pytest.raises(BadRequest, match="runId must be a UUID"):
        parse_uuid(text, "runId")


def test_second_idempotency_key_header_is_refused():
    for second in ("a", "b"):
        headers = CIMultiDict([("Idempotency-Key", "a"), ("idempotency-key", second)])
        with pytest.raises(BadRequest, match="once"):
            read_idempotency_key(make_mocked_request("POST", "/", headers=headers))
