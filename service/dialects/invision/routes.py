"""InVision's routes, with any prefix and in any case, and the unknown paths that it claims."""

from __future__ import annotations

import re
from typing import Final

from service.access import Right
from service.dialect import Route
from service.dialects.invision import handlers

# Each installation has its own prefix, and ASP.NET matches paths case-insensitively.
_ANYWHERE: Final = r"/{prefix:(?:[^/]+/)*}{api:(?i:api/pub/v1/dataflows)}/{id}/"
_ROOT: Final = re.compile(r"/api/pub(?:/|$)", re.IGNORECASE)

ROUTES: Final = (
    Route("POST", "/api/pub/v1/dataflows/{id}/start", handlers.start, Right.START),
    Route("GET", "/api/pub/v1/dataflows/{id}/runs/{runId}/status", handlers.status),
    Route("POST", _ANYWHERE + r"{start:(?i:start)}{slash:/?}", handlers.start, Right.START),
    Route(
        "GET",
        _ANYWHERE + r"{runs:(?i:runs)}/{runId}/{status:(?i:status)}{slash:/?}",
        handlers.status,
    ),
)


def claims(path: str) -> bool:
    """Claim what lies under ``api/pub``."""
    return _ROOT.search(path) is not None
