"""The Authorization header: a malformed one is refused."""

import base64

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from service.errors import Unauthenticated
from service.http.messages import basic_credentials, bearer_token


def request(*authorization, target="/", **headers):
    given = CIMultiDict(headers)
    for value in authorization:
        given.add("Authorization", value)
    return make_mocked_request("GET", target, headers=given)


def basic_of(text):
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_bearer_scheme_in_any_case_is_accepted(scheme):
    assert bearer_token(request(f"{scheme} abc")) == "abc"


@pytest.mark.parametrize(
    "given",
    [(), ("",), ("Bearer",), ("Bearer ",), ("abc",), ("Basic abc",), ("Bearer a", "Bearer a")],
)
def test_malformed_bearer_token_is_refused(given):
    with pytest.raises(Unauthenticated):
        bearer_token(request(*given))


@pytest.mark.parametrize(
    ("text", "pair"),
    [("me:word", ("me", "word")), ("me:", ("me", "")), ("me:a:b", ("me", "a:b")), (":", ("", ""))],
)
def test_password_with_colons_is_read_whole(text, pair):
    assert basic_credentials(request(basic_of(text))) == pair


@pytest.mark.parametrize(
    "given", ["Basic", "Basic !!!", "Basic YWJj", "Basic /w==", "Bearer YTpi", "Basic YTpi YTpi"]
)
def test_malformed_basic_credential_is_refused(given):
    with pytest.raises(Unauthenticated):
        basic_credentials(request(given))
