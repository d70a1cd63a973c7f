"""The shapes of what NAVER's calls take and answer, for openapi.yaml."""

# ruff: noqa: N815 - the fields are named as the vendor names them
from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields
from marshmallow.validate import OneOf, Range, Regexp

from service.dialects.naver.statuses import JOB_WORDS

_ID: Final = Regexp("^[0-9A-Za-z]{12}$")
_EXAMPLE: Final = "wfA1b2C3d4E5"
_WORDS: Final = ("READY", "RUNNING", "COMPLETED", "FAILED", "CANCELED")


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


def _part(whose: str) -> fields.String:
    text = f"A part of the {whose} name, capitals or not; empty counts as absent"
    return fields.String(metadata=_about(text))


class NaverWorkflowPath(Schema):
    """Names the workflow."""

    workflowId = fields.String(
        required=True, metadata=_about("12 characters of 0-9, A-Z, a-z", _EXAMPLE)
    )


class NaverJobPath(Schema):
    """Names the job."""

    jobId = fields.String(
        required=True, metadata=_about("12 characters of 0-9, A-Z, a-z", "Jb3Tn8KwR5yZ")
    )


class NaverExecutionPath(NaverJobPath):
    """Names the job and its execution."""

    executionId = fields.String(
        required=True, metadata=_about("12 characters of 0-9, A-Z, a-z", "Ej7Qm2XcV9aB")
    )


class NaverTriggerPath(Schema):
    """Names the trigger."""

    triggerId = fields.String(
        required=True, metadata=_about("12 characters of 0-9, A-Z, a-z", "Tg1Ls6DpF4hU")
    )


class NaverPageQuery(Schema):
    """Which page of the list."""

    page = fields.Integer(
        load_default=0, validate=Range(min=0, max=2**63 - 1), metadata=_about("The page, from 0")
    )
    limit = fields.Integer(
        load_default=1000,
        validate=Range(min=0),
        metadata=_about("Rows a page; 0 only counts; above 10,000 is taken as 10,000"),
    )


class NaverListQuery(NaverPageQuery):
    """Which page of a workflow's executions."""

    filter = _part("workflow's")


class NaverJobsQuery(NaverPageQuery):
    """Which page of which jobs."""

    name = _part("job's")
    status = fields.String(
        validate=OneOf(["", *sorted(JOB_WORDS)]),
        metadata=_about("How the job stands; empty counts as absent", "RUNNABLE"),
    )


class NaverTriggersQuery(NaverPageQuery):
    """Which page of which triggers."""

    name = _part("trigger's")


class NaverJobStartQuery(Schema):
    """What the job belongs to; it must be so where it is given."""

    workflowId = fields.String(metadata=_about("The job's workflow"))
    triggerId = fields.String(metadata=_about("The workflow's trigger"))


class NaverJobStart(Schema):
    """With what a job is executed."""

    jobCondition = fields.Dict(metadata=_about("Any object; the flow's own conditions hold"))
    parameters = fields.Dict(metadata=_about("The payload"))


class NaverStartHeaders(Schema):
    """Makes a repeated start safe."""

    idempotency_key = fields.String(
        data_key="Idempotency-Key", metadata=_about("1 to 200 printable characters")
    )


class NaverRunCondition(Schema):
    """Under which conditions a job runs."""

    workerType = fields.String(required=True, metadata=_about("Always DEFAULT", "DEFAULT"))
    numWorker = fields.Integer(required=True, metadata=_about("Always 2", 2))
    timeout = fields.Integer(required=True, metadata=_about("Minutes; 360 where there is none"))
    nrn = _none("Always null")
    scriptPath = _none("Always null")
    logPath = _none("Always null")


class NaverJobCondition(NaverRunCondition):
    """Under which conditions a job was executed."""

    consoleLogPath = _none("Always null")


class NaverExecution(Schema):
    """One execution of a workflow."""

    jobExecutionId = _id("The execution")
    jobId = _id("The workflow's job")
    jobName = fields.String(required=True)
    jobCondition = fields.Nested(NaverJobCondition, required=True)
    status = fields.String(required=True, validate=OneOf(_WORDS))
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


class NaverPage(Schema):
    """Which part of a list is shown."""

    count = fields.Integer(required=True, metadata=_about("All that match, not only this page"))
    page = fields.Integer(required=True, metadata=_about("As asked"))
    limit = fields.Integer(required=True, metadata=_about("As asked, at most 10,000"))


class NaverAccepted(Schema):
    """The answer to a start."""

    workflowId = _id("The workflow")
    triggerId = _id("Its trigger")
    status = fields.String(required=True, metadata=_about("Always ACCEPTED", "ACCEPTED"))


class NaverExecutions(NaverPage):
    """A page of executions, newest first."""

    list = fields.List(fields.Nested(NaverExecution), required=True)


class NaverJobStarted(Schema):
    """The execution that a start of a job made."""

    jobId = _id("The job")
    jobExecutionId = _id("The execution")
    status = fields.String(required=True, validate=OneOf(_WORDS))
    jobCondition = fields.Nested(NaverRunCondition, required=True)
    createdDate = _date("When it was created")


class NaverNode(Schema):
    """A node of a workflow."""

    id = _id("The trigger or the job")
    name = fields.String(required=True)
    type = fields.String(required=True, validate=OneOf(["TRIGGER", "JOB"]))
    parentNodeIds = fields.List(fields.String(), required=True)
    triggerRule = fields.String(
        validate=OneOf(["RECURRING", "NONE"]), metadata=_about("Of a trigger")
    )
    jobCondition = fields.Nested(NaverRunCondition, metadata=_about("Of a job"))
    isValid = fields.Boolean(required=True, metadata=_about("Whether it can still be executed"))


class NaverWorkflow(Schema):
    """A workflow."""

    workflowId = _id("The workflow")
    name = fields.String(required=True)
    nodes = fields.List(fields.Nested(NaverNode), required=True)
    createdDate = _date("When it was first registered")
    updatedDate = _date("When it was last registered or retired")
    isTemp = fields.Boolean(required=True, metadata=_about("Always false"))


class NaverWorkflowRow(NaverWorkflow):
    """A workflow in a list."""

    lastExecutionDate = _date("When its newest execution began; null without", allow_none=True)
    triggerRuleType = fields.String(required=True, validate=OneOf(["RECURRING", "NONE"]))
    resourceId = _id("The workflow")
    disabled = fields.Boolean(required=True, metadata=_about("Always false"))


class NaverWorkflows(NaverPage):
    """A page of workflows, by name."""

    list = fields.List(fields.Nested(NaverWorkflowRow), required=True)


class NaverJobStanding(Schema):
    """A job, and how it stands."""

    jobId = _id("The job")
    name = fields.String(required=True)
    type = fields.String(required=True, metadata=_about("Always DATAFLOW", "DATAFLOW"))
    status = fields.String(required=True, validate=OneOf(["RUNNABLE", "RUNNING", "DELETED"]))
    lastExecutionStatus = fields.String(
        required=True, allow_none=True, validate=OneOf([*_WORDS, None])
    )
    createdDate = _date("When it was first registered")
    updatedDate = _date("When its workflow was last registered or retired")
    lastExecutionDate = _date("When its newest execution began; null without", allow_none=True)


class NaverJob(NaverJobStanding):
    """A job in full."""

    description = _none("Always null")
    nodes = fields.List(fields.Raw(), required=True, metadata=_about("Always empty"))
    runCondition = fields.Nested(NaverRunCondition, required=True)


class NaverJobRow(NaverJobStanding):
    """A job in a list."""

    resourceId = _id("The job")
    disabled = fields.Boolean(required=True, metadata=_about("Always false"))


class NaverJobs(NaverPage):
    """A page of jobs."""

    list = fields.List(fields.Nested(NaverJobRow), required=True)


class NaverTriggerRule(Schema):
    """When a trigger starts its workflow, in Korean time."""

    type = fields.String(required=True, validate=OneOf(["RECURRING", "NONE"]))
    interval = fields.String(
        validate=OneOf(["HOUR", "DAY", "WEEK", "MONTH"]),
        metadata=_about("Where the schedule is one of these"),
    )
    time = fields.String(metadata=_about("The minute of an hour; else hour and minute", "10:00"))
    dayOfWeek = fields.List(fields.String(), metadata=_about("Of a WEEK"))
    dateOfMonth = fields.String(metadata=_about("Of a MONTH", "1"))


class NaverTrigger(Schema):
    """A workflow's trigger."""

    triggerId = _id("The trigger")
    name = fields.String(required=True)
    type = fields.String(required=True, validate=OneOf(["SCHEDULED", "NONE"]))
    triggerRule = fields.Nested(NaverTriggerRule, required=True)
    createdDate = _date("When its workflow was first registered")
    updatedDate = _date("When its workflow was last registered or retired")


class NaverTriggers(NaverPage):
    """A page of triggers."""

    list = fields.List(fields.Nested(NaverTrigger), required=True)
