"""Paging from 0, with a guard; what is no whole number is refused."""

from __future__ import annotations

import pytest

from service.dialects.naver.parsing import Paging, read_paging
from service.errors import BadRequest


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, Paging(0, 1000, "")),
        ({"page": "2", "limit": "20"}, Paging(2, 20, "")),
        ({"limit": "0"}, Paging(0, 0, "")),
        ({"limit": "10000"}, Paging(0, 10_000, "")),
        ({"limit": "10001"}, Paging(0, 10_000, "")),
        ({"limit": "9" * 30}, Paging(0, 10_000, "")),
        ({"page": "99999999999"}, Paging(99_999_999_999, 1000, "")),
        ({"filter": "nightly load"}, Paging(0, 1000, "nightly load")),
        ({"size": "5", "searchText": "x"}, Paging(0, 1000, "")),
    ],
)
def test_page_parameters_are_parsed(query, expected):
    assert read_paging(query) == expected


@pytest.mark.parametrize("name", ["page", "limit"])
@pytest.mark.parametrize("text", ["", "-1", "abc", "1.5", "+1", " 1", "1_0", "0x1", "\u0661"])
def test_page_other_than_an_integer_is_refused(name, text):
    with pytest.raises(BadRequest) as refused:
        read_paging({name: text})
    assert refused.value.field == name


@pytest.mark.parametrize(
    ("text", "matching"),
    [("", True), ("orders", True), ("ORD", True), ("ledger.o", True), ("nightly", False)],
)
def test_filter_matches_part_of_the_name_in_any_case(text, matching):
    assert Paging(0, 10, text).matches("ledger.Orders") is matching


def test_page_beyond_64_bits_is_refused():
    assert read_paging({"page": str(2**63 - 1)}).page == 2**63 - 1
    with pytest.raises(BadRequest, match="page"):
        read_paging({"page": str(2**63)})
