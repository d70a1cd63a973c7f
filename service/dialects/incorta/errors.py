"""Incorta's error body, with its own error codes only."""

from __future__ import annotations

from aiohttp import web

from service.errors import BadRequest, NotFound, ServiceError
from service.http.messages import json_response


class InvalidLevel(BadRequest):
    """The level is an integer, but not 1, 2, 3 or 4."""

    code = "invalid-level"
    status = 422

    def __init__(self, level: str) -> None:
        super().__init__(
            f"Invalid level [{level}]. Valid values are 1, 2, 3, 4",
            field="level",
        )


class UnknownExecution(NotFound):
    """The tenant has no such execution."""

    code = "unknown-execution"

    def __init__(self, execution_id: str) -> None:
        super().__init__(f"INC_05291904: The LOAD_PLAN of ID [{execution_id}] cannot be found.")


class InvalidGroup(BadRequest):
    """The sequence is an integer, but the plan has no such group."""

    code = "invalid-group"
    status = 422

    def __init__(self, sequence: int, groups: int) -> None:
        super().__init__(
            f"Invalid groupSequence [{sequence}]. Valid values are 1 to {groups}",
            field="groupSequence",
        )


class NothingToRestart(BadRequest):
    """That part of the load plan cannot run again."""

    code = "nothing-to-restart"


class PlanBusy(BadRequest):
    """Another execution of the load plan has not ended yet."""

    code = "plan-busy"

    def __init__(self) -> None:
        super().__init__(
            "INC_05290501: A load job cannot be started"
            " as another job of the same load plan is being executed. "
        )


def response(_request: web.Request, error: ServiceError) -> web.Response:
    """Translate an error into a message.

    Source: docs.incorta.com, "Load Plan Execution Status": the body of every error.
    """
    return json_response({"message": error.detail}, status=error.status)
