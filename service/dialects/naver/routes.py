"""NAVER's routes, and the unknown paths that it claims."""

from __future__ import annotations

from typing import Final

from service.access import Right
from service.dialect import Route
from service.dialects.naver import definitions, handlers

WORKFLOWS: Final = "/api/v1/workflows"
JOBS: Final = "/api/v1/jobs"
TRIGGERS: Final = "/api/v1/triggers"
_WORKFLOW: Final = WORKFLOWS + "/{workflowId}"
_JOB: Final = JOBS + "/{jobId}"
_EXECUTION: Final = _JOB + "/executions/{executionId}"
ROUTES: Final = (
    Route("GET", WORKFLOWS, definitions.workflows),
    Route("GET", _WORKFLOW, definitions.workflow),
    Route("GET", _WORKFLOW + "/executions", handlers.executions),
    Route("POST", _WORKFLOW + "/executions", handlers.execute, Right.START),
    Route("GET", JOBS, definitions.jobs),
    Route("GET", _JOB, definitions.job),
    Route("GET", _JOB + "/executions", handlers.job_executions),
    Route("POST", _JOB + "/executions", handlers.execute_job, Right.START),
    Route("GET", _EXECUTION, handlers.job_execution),
    Route("POST", _EXECUTION + "/cancel", handlers.cancel, Right.CANCEL),
    Route("GET", TRIGGERS, definitions.triggers),
    Route("GET", TRIGGERS + "/{triggerId}", definitions.trigger),
)


def claims(path: str) -> bool:
    """Claim unknown paths below ``/api/v1``."""
    return (path + "/").startswith("/api/v1/")
