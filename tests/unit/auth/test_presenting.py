"""How credentials are presented: what is not quite right is no credential."""

import base64

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from service.auth.extract import api_key, basic, bearer
from service.errors import Unauthenticated


def request(*authorization, target="/", **headers):
    given = CIMultiDict(headers)
    for value in authorization:
        given.add("Authorization", value)
    return make_mocked_request("GET", target, headers=given)


def basic_of(text):
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_bearer_token_is_taken_whatever_the_case_of_its_scheme(scheme):
    assert bearer(request(f"{scheme} abc")) == "abc"


@pytest.mark.parametrize(
    "given",
    [(), ("",), ("Bearer",), ("Bearer ",), ("abc",), ("Basic abc",), ("Bearer a", "Bearer a")],
)
def test_what_is_no_bearer_token_is_refused(given):
    with pytest.raises(Unauthenticated):
        bearer(request(*given))


@pytest.mark.parametrize(
    ("text", "pair"),
    [("me:word", ("me", "word")), ("me:", ("me", "")), ("me:a:b", ("me", "a:b")), (":", ("", ""))],
)
def test_a_password_may_hold_colons(text, pair):
    assert basic(request(basic_of(text))) == pair


@pytest.mark.parametrize(
    "given", ["Basic", "Basic !!!", "Basic YWJj", "Basic /w==", "Bearer YTpi", "Basic YTpi YTpi"]
)
def test_what_is_no_pair_is_refused(given):
    with pytest.raises(Unauthenticated):
        basic(request(given))


def test_a_key_in_the_header_goes_before_one_in_the_query():
    assert api_key(request(target="/?api_key=query", **{"x-api-key": "header"})) == "header"
    assert api_key(request(target="/?api_key=query")) == "query"
    assert api_key(request(target="/?key=other"), parameter="key") == "other"


def test_without_a_key_there_is_none():
    with pytest.raises(Unauthenticated, match="x-api-key"):
        api_key(request(target="/?api_key="))
