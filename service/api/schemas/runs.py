"""Schemas of runs, reports and flows, and what all operations share."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from service.api.parsing import (
    MAX_NAME,
    MAX_REPORTED_EVENTS,
    RUN_EVENTS,
    STATUSES,
    TASK_EVENTS,
)

_TENANT = fields.String(
    metadata={
        "description": "Required with a ledger-wide credential; others may name only their own."
    }
)
_TIME = {"format": "date-time"}


class LedgerProblem(Schema):
    """An error (RFC 9457)."""

    type = fields.String(required=True, metadata={"example": "urn:flowledger:problem:unknown-flow"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    instance = fields.String(required=True)
    field = fields.String(metadata={"description": "The parameter or member at fault."})
    errors = fields.List(fields.String())


class LedgerTenantQuery(Schema):
    """Names the tenant."""

    tenant = _TENANT


class LedgerStart(Schema):
    """The flow to start."""

    flow = fields.String(required=True, validate=validate.Length(1, MAX_NAME))
    payload = fields.Dict(metadata={"description": "Must fit the flow's schema."})
    comment = fields.String(allow_none=True, validate=validate.Length(0, 255))


class LedgerStartHeaders(Schema):
    """Makes a repeated request return the same run."""

    idempotency_key = fields.String(
        data_key="Idempotency-Key", validate=validate.Length(1, MAX_NAME)
    )


class LedgerCancel(Schema):
    """How to cancel."""

    force = fields.Boolean(metadata={"description": "Do not wait for running tasks to stop."})


class LedgerRetry(Schema):
    """Which part of a run to retry; without a body all of it."""

    origin = fields.String(
        data_key="from",
        load_default="start",
        validate=validate.OneOf(["start", "group", "failed"]),
        metadata={
            "description": "`start`: all. `group`: that group and those after it. `failed`: tasks"
            " that are not done, and those that wait for them; other results are reused."
        },
    )
    group = fields.Integer(
        allow_none=True,
        validate=validate.Range(1),
        metadata={
            "description": "A group of the flow's load plan, from 1; without a load plan its steps"
            " are the groups. With `failed`: only tasks that are not done, from that group on."
        },
    )


class LedgerFlowVersion(Schema):
    """The flow and version of a run."""

    fullname = fields.String(required=True)
    version = fields.Integer(required=True)


class LedgerError(Schema):
    """The first final failure of a run, or the last failure of a task."""

    task = fields.String(allow_none=True)
    reason = fields.String(allow_none=True)
    exception = fields.String(allow_none=True)
    traceback = fields.String(allow_none=True)
    statement = fields.String(allow_none=True)
    line = fields.Integer(allow_none=True)


class LedgerTask(Schema):
    """A task of a run."""

    task_id = fields.UUID(required=True)
    path = fields.String(required=True)
    key = fields.String(required=True)
    previous = fields.List(fields.UUID(), required=True)
    hook = fields.String(allow_none=True, validate=validate.OneOf(["success", "failure"]))
    status = fields.String(required=True)
    attempt = fields.Integer(required=True)
    started_at = fields.String(allow_none=True, metadata=_TIME)
    ended_at = fields.String(allow_none=True, metadata=_TIME)
    result = fields.Raw(allow_none=True)
    warnings = fields.List(fields.String())
    metrics = fields.Dict(allow_none=True)
    error = fields.Nested(LedgerError, allow_none=True)
    log = fields.String(allow_none=True)
    carried_from = fields.UUID(
        allow_none=True,
        metadata={"description": "The earlier run whose result this task reuses."},
    )


class LedgerRun(Schema):
    """A run; lists leave its tasks out."""

    run_id = fields.UUID(required=True)
    run_number = fields.Integer(required=True)
    flow = fields.Nested(LedgerFlowVersion, required=True)
    tenant = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    failing = fields.Boolean(required=True)
    trigger = fields.String(required=True)
    started_by = fields.String(required=True)
    created_at = fields.String(required=True, metadata=_TIME)
    started_at = fields.String(allow_none=True, metadata=_TIME)
    ended_at = fields.String(allow_none=True, metadata=_TIME)
    attempt = fields.Integer(required=True)
    retry_of = fields.UUID(allow_none=True)
    root_run = fields.UUID(required=True)
    payload = fields.Dict(required=True)
    comment = fields.String(allow_none=True)
    warnings = fields.List(fields.String(), required=True)
    error = fields.Nested(LedgerError, allow_none=True)
    position = fields.Integer(required=True)
    vendor_ids = fields.Dict(required=True)
    tasks = fields.List(fields.Nested(LedgerTask))


class LedgerRunQuery(LedgerTenantQuery):
    """Selects runs."""

    flow = fields.String()
    status = fields.String(validate=validate.OneOf(STATUSES))
    started_by = fields.String()
    created_after = fields.String(metadata=_TIME)
    created_before = fields.String(metadata=_TIME)
    cursor = fields.String(metadata={"description": "The next_cursor of the previous page."})
    limit = fields.Integer(validate=validate.Range(1, 1000), metadata={"default": 50})


class LedgerRuns(Schema):
    """A page of runs, newest first."""

    runs = fields.List(fields.Nested(LedgerRun), required=True)
    next_cursor = fields.String(allow_none=True)


class LedgerFact(Schema):
    """One reported event."""

    event_id = fields.String(required=True, validate=validate.Length(1, MAX_NAME))
    type = fields.String(required=True, validate=validate.OneOf(sorted(RUN_EVENTS | TASK_EVENTS)))
    task = fields.String(
        allow_none=True,
        metadata={"description": "Path, unique key or task id; only for task events."},
    )
    occurred_at = fields.String(allow_none=True, metadata=_TIME)
    data = fields.Dict()


class LedgerReport(Schema):
    """Events, in the order in which they happened."""

    events = fields.List(
        fields.Nested(LedgerFact), required=True, validate=validate.Length(1, MAX_REPORTED_EVENTS)
    )


class LedgerFactResult(Schema):
    """The outcome of one reported event."""

    event_id = fields.String(required=True)
    outcome = fields.String(
        required=True, validate=validate.OneOf(["recorded", "duplicate", "refused"])
    )
    position = fields.Integer(allow_none=True)
    reason = fields.String(allow_none=True)


class LedgerReportResults(Schema):
    """The outcomes, in the order of the report."""

    results = fields.List(fields.Nested(LedgerFactResult), required=True)


class LedgerFlow(Schema):
    """A flow of the catalogue."""

    fullname = fields.String(required=True)
    project = fields.String(required=True)
    name = fields.String(required=True)
    version = fields.Integer(required=True)
    number = fields.Integer(required=True)
    executor = fields.String(required=True)
    exclusive = fields.Boolean(required=True)
    timeout_s = fields.Float(allow_none=True)
    retired = fields.Boolean(required=True)
    next_due_at = fields.String(allow_none=True, metadata=_TIME)
    definition = fields.Dict(required=True)
    vendor_ids = fields.Dict(required=True)


class LedgerFlows(Schema):
    """The tenant's flows by name."""

    flows = fields.List(fields.Nested(LedgerFlow), required=True)
