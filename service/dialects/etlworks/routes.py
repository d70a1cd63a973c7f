"""What is served under Etlworks' addresses."""

from __future__ import annotations

from typing import Final

from service.auth.principal import Right
from service.dialects.etlworks import handlers
from service.http.dialect import Route

ROUTES: Final = (
    Route("GET", "/rest/v1/executions/{flowId}", handlers.status),
    Route("GET", "/plugins/dashboard/rest/v1/flows/{flowId}", handlers.status),
    Route("POST", "/rest/v1/flows/{flowId}/run", handlers.run, Right.START),
)
