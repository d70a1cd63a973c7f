"""Director's routes under ``/api`` and its pages, and the unknown paths that it claims."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from service.access import Right
from service.dialect import Route
from service.dialects.director import handlers, interface

WORKFLOWS: Final = "/api/workflows"
# aiohttp's default pattern refuses the braces that Director accepts around an id.
WORKFLOW: Final = "/api/workflows/{id:[^/]+}"

_SERVED: Final = (
    Route("GET", "/api/ping", handlers.ping, None),
    Route("OPTIONS", "/api/ping", handlers.options("GET", "HEAD"), None),
    Route("GET", WORKFLOWS, handlers.list_workflows),
    Route("POST", WORKFLOWS, handlers.start_workflow, Right.START),
    Route("OPTIONS", WORKFLOWS, handlers.options("GET", "HEAD", "POST"), None),
    Route("GET", WORKFLOW, handlers.show_workflow),
    Route("OPTIONS", WORKFLOW, handlers.options("GET", "HEAD"), None),
    Route("POST", WORKFLOW + "/relaunch", handlers.relaunch, Right.START),
    Route("OPTIONS", WORKFLOW + "/relaunch", handlers.options("POST"), None),
    Route("POST", WORKFLOW + "/cancel", handlers.cancel, Right.CANCEL),
    Route("OPTIONS", WORKFLOW + "/cancel", handlers.options("POST"), None),
    Route("GET", "/api/definitions", handlers.definitions),
    Route("OPTIONS", "/api/definitions", handlers.options("GET", "HEAD"), None),
)
# Director ignores unreadable parameters. It also serves //api, which clients request whose base URL
# ends in a slash.
_LENIENT: Final = tuple(replace(route, lenient_query=True) for route in _SERVED)
_PAGES: Final = (
    Route("GET", "/", interface.page, None),
    Route("OPTIONS", "/", handlers.options("GET", "HEAD"), None),
    Route("GET", "/{id}", interface.page, None),
    Route("OPTIONS", "/{id}", handlers.options("GET", "HEAD"), None),
    Route("GET", "/static/{file:.*}", interface.static, None),
    Route("OPTIONS", "/static/{file:.*}", handlers.options("GET", "HEAD"), None),
)
ROUTES: Final = (
    *_LENIENT,
    *(replace(route, path="/" + route.path) for route in _LENIENT),
    *(replace(route, lenient_query=True, enabled_if=interface.is_served) for route in _PAGES),
)

_DOUBLED: Final = re.compile("//+")
_METHODS: Final = tuple(
    (re.compile(re.sub(r"\{id:(.+?)\}", r"\1", route.path)), route.method) for route in _SERVED
)


def claims(path: str) -> bool:
    """Claim unknown paths under ``/api``, except those of other vendors."""
    if "/api/pub/" in path.lower() or f"/{path.lstrip('/')}/".startswith("/api/v1/"):
        return False
    return path.startswith(("/api", "//api"))


def canonical_path(path: str) -> tuple[str, set[str]] | None:
    """Return the served form of a path with doubled slashes, and its methods; None if served."""
    single = _DOUBLED.sub("/", path)
    if single == path or _methods(path.removeprefix("/")):
        return None
    methods = _methods(single)
    return (single, methods) if methods else None


def _methods(path: str) -> set[str]:
    allowed = {method for pattern, method in _METHODS if pattern.fullmatch(path)}
    return allowed | {"HEAD"} if "GET" in allowed else allowed
