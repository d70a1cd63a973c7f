"""Parameters are read strictly, and a refusal names the parameter."""

import pytest

from service.errors import BadRequest
from service.http.parameters import integer, uuid_text

UUID = "5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4"


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("2147483647", 2**31 - 1), ("007", 7)])
def test_a_whole_number_is_read(text, value):
    assert integer(text, "page") == value


def test_bounds_may_be_given():
    assert integer("-5", "offset", low=-5, high=5) == -5


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "2147483648", "1.0", "1e3", " 1", "1 ", "+1", "1_0", "٣", "0x1", "9" * 99],
)
def test_what_is_no_whole_number_in_bounds_is_refused(text):
    with pytest.raises(BadRequest, match="page must be a whole number from 1 to") as refused:
        integer(text, "page")
    assert refused.value.field == "page"


@pytest.mark.parametrize("text", [UUID, UUID.upper()])
def test_a_uuid_is_read_in_any_case(text):
    assert uuid_text(text, "runId") == UUID


@pytest.mark.parametrize("text", ["", UUID[:-1], UUID.replace("-", ""), f"{{{UUID}}}", UUID + "\n"])
def test_what_is_no_uuid_is_refused(text):
    with pytest.raises(BadRequest, match="runId must be a UUID"):
        uuid_text(text, "runId")
