"""InVision's addresses: any prefix, any case, and whose unknown paths are."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from service.dialects.invision import DIALECT


@pytest.fixture
def router():
    app = web.Application()
    for route in DIALECT.routes:
        app.router.add_route(route.method, route.path, route.handler)
    return app.router


@pytest.mark.parametrize("prefix", ["", "/invision", "/InVision", "/my-company/eu/2"])
@pytest.mark.parametrize("end", ["", "/"])
@pytest.mark.parametrize("words", ["api/pub/v1/dataflows", "API/Pub/V1/DataFlows"])
async def test_start_is_found_behind_any_prefix_in_any_case(router, prefix, words, end):
    for verb in ("start", "Start"):
        request = make_mocked_request("POST", f"{prefix}/{words}/dataflow1/{verb}{end}")
        found = await router.resolve(request)
        assert found["id"] == "dataflow1"


@pytest.mark.parametrize("prefix", ["", "/invision", "/a/b"])
@pytest.mark.parametrize("tail", ["runs/42/status", "Runs/42/STATUS/"])
async def test_status_is_found_behind_any_prefix_in_any_case(router, prefix, tail):
    request = make_mocked_request("GET", f"{prefix}/api/pub/v1/dataflows/a%20b/{tail}")
    found = await router.resolve(request)
    assert (found["id"], found["runId"]) == ("a b", "42")


@pytest.mark.parametrize(
    "path",
    [
        "/api/pub/v1/dataflows/1/start",
        "/x/api/pub/v1/dataflows/1/start",
        "/API/pub/v1/dataflows/1/Start/",
    ],
)
async def test_start_by_get_is_not_allowed_but_post_is(router, path):
    found = await router.resolve(make_mocked_request("GET", path))
    assert isinstance(found.http_exception, web.HTTPMethodNotAllowed)
    assert found.http_exception.allowed_methods == {"POST"}


@pytest.mark.parametrize(
    "path",
    [
        "/api/pub/v1/dataflows/1",
        "/xapi/pub/v1/dataflows/1/start",
        "/api/pub/v1/dataflows/1/2/start",
    ],
)
async def test_other_paths_are_not_found(router, path):
    found = await router.resolve(make_mocked_request("POST", path))
    assert isinstance(found.http_exception, web.HTTPNotFound)


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        ("/api/pub/v1/dataflows", True),
        ("/API/Pub", True),
        ("/my-company/api/pub/v2", True),
        ("/api/public", False),
        ("/api/workflows", False),
        ("/rest/v1/executions/1", False),
    ],
)
def test_invision_claims_unknown_paths_below_api_pub(path, claimed):
    assert DIALECT.claims(path) is claimed
