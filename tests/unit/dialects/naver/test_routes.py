"""NAVER's routes, and whose unknown paths are."""

from __future__ import annotations

import pytest

from service.access import Right
from service.dialects.naver import DIALECT
from service.dialects.naver.routes import ROUTES


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        ("/api/v1", True),
        ("/api/v1/", True),
        ("/api/v1/workflows/", True),
        ("/api/v1/nothing", True),
        ("/api/v10", False),
        ("/api/workflows", False),
        ("/prefix/api/v1/workflows", False),
        ("/v1/runs", False),
    ],
)
def test_naver_claims_unknown_paths_below_api_v1(path, claimed):
    assert DIALECT.claims(path) is claimed


def test_start_and_cancel_require_more_rights_than_reads():
    rights = {(route.method, route.path.rpartition("/")[2]): route.right for route in ROUTES}
    assert {right for (method, _), right in rights.items() if method == "GET"} == {Right.READ}
    assert rights["POST", "executions"] is Right.START
    assert rights["POST", "cancel"] is Right.CANCEL
