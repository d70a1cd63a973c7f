"""Incorta's routes, and the unknown paths that it claims."""

from __future__ import annotations

from typing import Final

from service.access import Right
from service.dialect import Route
from service.dialects.incorta import handlers

_LOAD_PLAN: Final = "/incorta/api/v2/{tenant}/load-plan"

ROUTES: Final = (
    Route("GET", _LOAD_PLAN + "/status/{executionId}", handlers.status),
    Route("POST", _LOAD_PLAN + "/execute", handlers.execute, Right.START),
    Route("POST", _LOAD_PLAN + "/restart", handlers.restart, Right.START),
)


def claims(path: str) -> bool:
    """Claim Incorta's root."""
    return path.startswith("/incorta/")
