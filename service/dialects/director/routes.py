"""What Director serves under ``/api``, and the paths whose 404 is Director's."""

from __future__ import annotations

from typing import Final

from service.auth.principal import Right
from service.dialects.director import handlers
from service.http.dialect import Route

WORKFLOWS: Final = "/api/workflows"
# Not aiohttp's own pattern, which refuses the braces that Director takes around an id.
WORKFLOW: Final = "/api/workflows/{id:[^/]+}"


ROUTES: Final = (
    Route("GET", "/api/ping", handlers.ping, None),
    Route("OPTIONS", "/api/ping", handlers.options("GET", "HEAD"), None),
    Route("GET", WORKFLOWS, handlers.listed),
    Route("POST", WORKFLOWS, handlers.launch, Right.START),
    Route("OPTIONS", WORKFLOWS, handlers.options("GET", "HEAD", "POST"), None),
    Route("GET", WORKFLOW, handlers.shown),
    Route("OPTIONS", WORKFLOW, handlers.options("GET", "HEAD"), None),
    Route("POST", WORKFLOW + "/relaunch", handlers.relaunch, Right.START),
    Route("OPTIONS", WORKFLOW + "/relaunch", handlers.options("POST"), None),
    Route("POST", WORKFLOW + "/cancel", handlers.cancel, Right.CANCEL),
    Route("OPTIONS", WORKFLOW + "/cancel", handlers.options("POST"), None),
    Route("GET", "/api/definitions", handlers.definitions),
    Route("OPTIONS", "/api/definitions", handlers.options("GET", "HEAD"), None),
)


def claims(path: str) -> bool:
    """Tell whether an unknown path is Director's: ``/api`` but for what others have below it."""
    if "/api/pub/" in path.lower() or (path + "/").startswith("/api/v1/"):
        return False
    return (path + "/").startswith("/api/")
