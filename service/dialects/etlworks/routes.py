"""Etlworks' routes, and the unknown paths that it claims."""

from __future__ import annotations

from typing import Final

from service.access import Right
from service.dialect import Route
from service.dialects.etlworks import handlers, tokens

ROUTES: Final = (
    Route("GET", "/rest/v1/executions/{flowId}", handlers.status),
    Route("GET", "/plugins/dashboard/rest/v1/flows/{flowId}", handlers.status),
    Route("GET", "/rest/v1/executions/console/download", handlers.download),
    Route("GET", "/plugins/dashboard/rest/v1/flows/console/download", handlers.download),
    Route("POST", "/rest/v1/flows/{flowId}/run", handlers.run, Right.START),
    Route("POST", "/rest/v1/flows/flow-name/{flowName}/run", handlers.run_by_name, Right.START),
    Route(
        "POST",
        "/plugins/flows/rest/v1/flows/flow-name/{flowName}/run",
        handlers.run_by_name,
        Right.START,
    ),
    Route("POST", "/rest/v1/httplistener/{pattern:.+}", handlers.run_by_message, Right.START),
    Route("PUT", "/rest/v1/httplistener/{pattern:.+}", handlers.run_by_message, Right.START),
    Route("POST", "/rest/v1/token-auth/issue", tokens.issue, None),
    Route("POST", "/rest/v1/token-auth", tokens.issue, None),
    Route("POST", "/rest/v1/token-auth/refresh", tokens.refresh, ledger_wide=True),
    Route("POST", "/rest/v1/token-auth/tenants/{tenantId}", tokens.switch, ledger_wide=True),
)


def claims(path: str) -> bool:
    """Claim Etlworks' two roots."""
    return path.startswith(("/rest/", "/plugins/"))
