"""Director's routes, and whose unknown paths are."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.access import Right
from service.dialects.director import DIALECT
from service.dialects.director.routes import canonical_path
from service.settings import Settings

RIGHTS = {(route.method, route.path): route.right for route in DIALECT.routes}


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        ("/api", True),
        ("/api/", True),
        ("/api/notfound", True),
        ("/api/workflows/", True),
        ("/api/list/workflows", True),
        ("/api/v1", False),
        ("/api/v1/workflows", False),
        ("/api/v10", True),
        ("/api/pub/v1/dataflows", False),
        ("/API/pub/v1/dataflows", False),
        ("/api/prefix/API/Pub/v1/dataflows", False),
        ("/apiary", True),
        ("//api/nothing", True),
        ("//api/v1/workflows", False),
        ("/v1/runs", False),
        ("/", False),
    ],
)
def test_director_claims_unknown_paths_below_api(path, claimed):
    assert DIALECT.claims(path) is claimed


def test_options_of_every_path_require_no_rights():
    paths = {route.path for route in DIALECT.routes}
    assert {path for (method, path) in RIGHTS if method == "OPTIONS"} == paths
    assert {right for (method, _), right in RIGHTS.items() if method == "OPTIONS"} == {None}


def test_starts_and_cancels_require_more_rights_than_reads():
    rights = {
        "/api/workflows": Right.START,
        "/api/workflows/{id:[^/]+}/relaunch": Right.START,
        "/api/workflows/{id:[^/]+}/cancel": Right.CANCEL,
    }
    assert {path: right for (method, path), right in RIGHTS.items() if method == "POST"} == {
        **rights,
        **{f"/{path}": right for path, right in rights.items()},
    }


def test_ping_and_pages_require_no_rights():
    opened = [path for (method, path), right in RIGHTS.items() if method == "GET" and not right]
    pages = ["/", "/{id}", "/static/{file:.*}"]
    assert opened == ["/api/ping", "//api/ping", *pages]


@pytest.mark.parametrize(("folder", "count"), [(None, 0), (Path(), 6)])
def test_pages_are_served_only_if_their_folder_is_configured(folder, count):
    settings = Settings(director_ui=folder)
    pages = [route for route in DIALECT.routes if not route.path.startswith(("/api", "//api"))]
    assert sum(route.enabled_if(settings) for route in pages) == count
    assert all(route.enabled_if is None for route in DIALECT.routes if route not in pages)


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/api//ping", ("/api/ping", {"GET", "HEAD", "OPTIONS"})),
        ("/api///workflows", ("/api/workflows", {"GET", "HEAD", "OPTIONS", "POST"})),
        ("//api//workflows//x/cancel", ("/api/workflows/x/cancel", {"OPTIONS", "POST"})),
        ("//api/ping", None),
        ("/api/ping", None),
        ("/api//nothing", None),
        ("/api/ping//", None),
    ],
)
def test_doubled_slashes_redirect_to_the_path_without_them(path, leads_to):
    assert canonical_path(path) == leads_to
