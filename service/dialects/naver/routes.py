"""What is served under NAVER's addresses, and the paths whose 404 is NAVER's."""

from __future__ import annotations

from typing import Final

from service.auth.principal import Right
from service.dialects.naver import handlers
from service.http.dialect import Route

EXECUTIONS: Final = "/api/v1/workflows/{workflowId}/executions"
ROUTES: Final = (
    Route("GET", EXECUTIONS, handlers.executions),
    Route("POST", EXECUTIONS, handlers.execute, Right.START),
)


def claims(path: str) -> bool:
    """Tell whether an unknown path is NAVER's: all below ``/api/v1``."""
    return (path + "/").startswith("/api/v1/")
