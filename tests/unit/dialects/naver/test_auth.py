"""Signature v2: the vectors, and what does not hold."""

from __future__ import annotations

import pytest

from service.dialects.naver.auth import ACCESS_KEY as KEY_NAME
from service.dialects.naver.auth import SIGNATURE as SIGNATURE_NAME
from service.dialects.naver.auth import TIMESTAMP as TIMESTAMP_NAME
from service.dialects.naver.auth import read_signature_headers, sign, signed_target
from service.errors import Unauthenticated

ACCESS_KEY = "LEDGERTESTACCESSKEY1"
SECRET = "ledger-test-secret-key-0001"
TIMESTAMP = "1735689600000"
NOW_MS = 1_735_689_600_000
PATH = "/api/v1/workflows/wfA1b2C3d4E5/executions"
VECTORS = [
    ("GET", PATH, "OvwbYXnFCuSzJlRpiNSReGopH53p8Jey8618mtg1md8="),
    ("GET", PATH + "?page=0&limit=20", "JHH3qnx+Wn9GQRnJUxO0mT6fMu+W1R5n0WbC0VhUEiE="),
    (
        "GET",
        PATH + "?filter=nightly%20load&page=1&limit=5",
        "YTLyICXvZtvhftcCwnQTmTkZ/0SQi5j3G58MXQYHC2g=",
    ),
    ("POST", PATH, "eotQ9kUXtZR674WdQG/EvygoktH8KkgW9SXYlhA0c0g="),
]


def _headers(**changed):
    headers = {"timestamp": TIMESTAMP, "key": ACCESS_KEY, "signature": VECTORS[0][2]} | changed
    names = {"timestamp": TIMESTAMP_NAME, "key": KEY_NAME, "signature": SIGNATURE_NAME}
    return {names[key]: value for key, value in headers.items() if value is not None}


def _lets_in(headers, method="GET", uri=PATH, now_ms=NOW_MS):
    given = read_signature_headers(headers)
    return given.is_timely(now_ms) and given.is_valid_for(method, uri, SECRET.encode())


@pytest.mark.parametrize(("method", "uri", "signature"), VECTORS)
def test_vendors_test_vector_is_signed(method, uri, signature):
    assert sign(method, uri, TIMESTAMP, ACCESS_KEY, SECRET) == signature


@pytest.mark.parametrize(("method", "uri", "signature"), VECTORS)
def test_vendors_test_vector_is_authenticated(method, uri, signature):
    assert _lets_in(_headers(signature=signature), method, uri)


@pytest.mark.parametrize(
    ("raw", "signed"),
    [
        (PATH, PATH),
        (PATH + "?", PATH + "?"),
        (PATH + "?filter=a+b&x=%2b%2B", PATH + "?filter=a+b&x=%2b%2B"),
        ("http://ledger.example" + PATH, PATH),
        ("https://user@ledger.example:8080" + PATH + "?page=0", PATH + "?page=0"),
        (PATH + "?filter=http://x/y", PATH + "?filter=http://x/y"),
    ],
)
def test_only_scheme_and_authority_are_not_signed(raw, signed):
    assert signed_target(raw) == signed


@pytest.mark.parametrize("late_ms", [-300_000, 0, 300_000])
def test_signature_within_five_minutes_is_valid(late_ms):
    assert _lets_in(_headers(), now_ms=NOW_MS + late_ms)


@pytest.mark.parametrize("late_ms", [-300_001, 300_001, 86_400_000])
def test_signature_outside_the_window_is_invalid(late_ms):
    assert not _lets_in(_headers(), now_ms=NOW_MS + late_ms)


@pytest.mark.parametrize(
    "changed",
    [
        {"headers": _headers(signature=VECTORS[1][2])},
        {"headers": _headers(signature="é")},
        {"headers": _headers(signature="\udcff")},
        {"headers": _headers(timestamp="1735689600001")},
        {"headers": _headers(key="ANOTHERACCESSKEY")},
        {"headers": _headers(), "method": "POST"},
        {"headers": _headers(), "uri": PATH + "?"},
        {"headers": _headers(), "uri": PATH + "?limit=\udcff"},
    ],
)
def test_signature_of_another_request_is_invalid(changed):
    assert not _lets_in(**changed)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        _headers(signature=None),
        _headers(signature=""),
        _headers(timestamp=None),
        _headers(timestamp=""),
        _headers(timestamp="soon"),
        _headers(timestamp="-1735689600000"),
        _headers(timestamp="1735689600000 "),
        _headers(timestamp="9" * 20),
        _headers(key=None),
        _headers(key="é"),
        _headers(key="\udcff"),
    ],
)
def test_missing_or_malformed_header_is_refused(headers):
    with pytest.raises(Unauthenticated):
        read_signature_headers(headers)
