"""The shapes of what NAVER's calls take and answer, for openapi.yaml."""

# ruff: noqa: N815 - the fields are named as the vendor names them
from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields
from marshmallow.validate import OneOf, Range, Regexp

_ID: Final = Regexp("^[0-9A-Za-z]{12}$")
_EXAMPLE: Final = "wfA1b2C3d4E5"


def _about(text: str, example: str | int | None = None) -> dict[str, Any]:
    return {"description": text} | ({} if example is None else {"example": example})


def _id(text: str) -> fields.String:
    return fields.String(required=True, validate=_ID, metadata=_about(text))


def _date(text: str, *, allow_none: bool = False) -> fields.DateTime:
    example = "2026-01-01T09:00:06+09:00"
    return fields.DateTime(required=True, allow_none=allow_none, metadata=_about(text, example))


def _none(text: str) -> fields.String:
    return fields.String(required=True, allow_none=True, metadata=_about(text))


class NaverFault(Schema):
    """What is wrong."""

    errorCode = fields.String(required=True, metadata=_about("The gateway's number", "300"))
    message = fields.String(required=True, metadata=_about("What kind of refusal", "not-found"))
    details = fields.String(required=True, metadata=_about("What to do about it"))


class NaverError(Schema):
    """A refusal: of the gateway, or, with the last two keys, of the Data Flow service."""

    error = fields.Nested(NaverFault, required=True)
    errorType = fields.String(metadata=_about("As `message`; only from the service", "not-found"))
    detail = fields.String(metadata=_about("As `details`; only from the service"))


class NaverWorkflowPath(Schema):
    """Names the workflow."""

    workflowId = fields.String(
        required=True, metadata=_about("12 characters of 0-9, A-Z, a-z", _EXAMPLE)
    )


class NaverListQuery(Schema):
    """Which page of the list."""

    filter = fields.String(
        metadata=_about("A part of the workflow's name, capitals or not; empty counts as absent")
    )
    page = fields.Integer(
        load_default=0, validate=Range(min=0, max=2**63 - 1), metadata=_about("The page, from 0")
    )
    limit = fields.Integer(
        load_default=1000,
        validate=Range(min=0),
        metadata=_about("Rows a page; 0 only counts; above 10,000 is taken as 10,000"),
    )


class NaverStartHeaders(Schema):
    """Makes a repeated start safe."""

    idempotency_key = fields.String(
        data_key="Idempotency-Key", metadata=_about("1 to 200 printable characters")
    )


class NaverJobCondition(Schema):
    """Under which conditions a job runs."""

    workerType = fields.String(required=True, metadata=_about("Always DEFAULT", "DEFAULT"))
    numWorker = fields.Integer(required=True, metadata=_about("Always 2", 2))
    timeout = fields.Integer(required=True, metadata=_about("Minutes; 360 where there is none"))
    nrn = _none("Always null")
    scriptPath = _none("Always null")
    logPath = _none("Always null")
    consoleLogPath = _none("Always null")


class NaverExecution(Schema):
    """One execution of a workflow."""

    jobExecutionId = _id("The execution")
    jobId = _id("The workflow's job")
    jobName = fields.String(required=True)
    jobCondition = fields.Nested(NaverJobCondition, required=True)
    status = fields.String(
        required=True, validate=OneOf(["READY", "RUNNING", "COMPLETED", "FAILED", "CANCELED"])
    )
    startDate = _date("When it began; when it was created while it has not")
    endDate = _date("When it ended; null until then", allow_none=True)
    createdDate = _date("When it was created")
    triggerId = _id("The workflow's trigger")
    triggerName = fields.String(required=True)
    waitingTime = fields.Integer(required=True, metadata=_about("Seconds from creation to start"))
    executorNum = fields.Integer(required=True, metadata=_about("As `numWorker`"))
    runningTime = fields.Integer(required=True, metadata=_about("Seconds from start to end"))
    parsedParameters = fields.Raw(
        required=True, metadata=_about("The payload; an empty list where it is empty")
    )
    type = fields.String(required=True, metadata=_about("Always WORKFLOW", "WORKFLOW"))


class NaverExecutions(Schema):
    """A page of executions, newest first."""

    list = fields.List(fields.Nested(NaverExecution), required=True)
    count = fields.Integer(required=True, metadata=_about("All that match, not only this page"))
    page = fields.Integer(required=True, metadata=_about("As asked"))
    limit = fields.Integer(required=True, metadata=_about("As asked, at most 10,000"))


class NaverAccepted(Schema):
    """The answer to a start."""

    workflowId = _id("The workflow")
    triggerId = _id("Its trigger")
    status = fields.String(required=True, metadata=_about("Always ACCEPTED", "ACCEPTED"))
