"""What openapi.yaml says of our own API's parameters, bodies and answers."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from service.api.parsing import (
    MAX_NAME,
    MAX_REASON,
    MAX_REPORTED_EVENTS,
    RUN_EVENTS,
    STATUSES,
    TASK_EVENTS,
)
from service.ops.paused import MAX_REASON as MAX_SKIP_REASON

_TENANT = fields.String(
    metadata={"description": "Only for a ledger-wide credential, and then required."}
)
_TIME = {"format": "date-time"}


class LedgerProblem(Schema):
    """A refusal (RFC 9457)."""

    type = fields.String(required=True, metadata={"example": "urn:flowledger:problem:unknown-flow"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    instance = fields.String(required=True)
    field = fields.String(metadata={"description": "The parameter or member that is at fault."})
    errors = fields.List(fields.String())


class LedgerTenantQuery(Schema):
    """Which tenant is meant."""

    tenant = _TENANT


class LedgerStart(Schema):
    """What to start."""

    flow = fields.String(required=True, validate=validate.Length(1, MAX_NAME))
    payload = fields.Dict(metadata={"description": "Must fit the flow's schema."})
    comment = fields.String(allow_none=True, validate=validate.Length(0, 255))


class LedgerStartHeaders(Schema):
    """Makes a repeat answer with the same run."""

    idempotency_key = fields.String(
        data_key="Idempotency-Key", validate=validate.Length(1, MAX_NAME)
    )


class LedgerCancel(Schema):
    """How to cancel."""

    force = fields.Boolean(metadata={"description": "Do not wait for running tasks to stop."})


class LedgerRetry(Schema):
    """Which part of a run runs again; without a body all of it."""

    origin = fields.String(
        data_key="from",
        load_default="start",
        validate=validate.OneOf(["start", "group", "failed"]),
        metadata={
            "description": "`start`: all. `group`: the group and those after it. `failed`: what is"
            " not done, and what waits for it. The others are taken as done."
        },
    )
    group = fields.Integer(
        allow_none=True,
        validate=validate.Range(1),
        metadata={
            "description": "A group of the flow's load plan, from 1; without one its steps are"
            " the groups. With `failed` only what is not done from there on."
        },
    )


class LedgerFlowVersion(Schema):
    """Which flow a run is of."""

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
        metadata={"description": "The earlier run in which a task was done that is not run again."},
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
    """Which runs to list."""

    flow = fields.String()
    status = fields.String(validate=validate.OneOf(STATUSES))
    started_by = fields.String()
    created_after = fields.String(metadata=_TIME)
    created_before = fields.String(metadata=_TIME)
    cursor = fields.String(metadata={"description": "The next_cursor of the page before."})
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
        metadata={"description": "Path, unique key or task id; not of run events."},
    )
    occurred_at = fields.String(allow_none=True, metadata=_TIME)
    data = fields.Dict()


class LedgerReport(Schema):
    """What happened, in order."""

    events = fields.List(
        fields.Nested(LedgerFact), required=True, validate=validate.Length(1, MAX_REPORTED_EVENTS)
    )


class LedgerFactResult(Schema):
    """The answer to one reported event."""

    event_id = fields.String(required=True)
    outcome = fields.String(
        required=True, validate=validate.OneOf(["recorded", "duplicate", "refused"])
    )
    position = fields.Integer(allow_none=True)
    reason = fields.String(allow_none=True)


class LedgerReportResults(Schema):
    """The answers, in the order of the report."""

    results = fields.List(fields.Nested(LedgerFactResult), required=True)


class LedgerEvent(Schema):
    """An event as the log holds it."""

    position = fields.Integer(required=True)
    stream = fields.String(required=True)
    version = fields.Integer(required=True)
    event_id = fields.UUID(required=True)
    type = fields.String(required=True)
    schema_version = fields.Integer(required=True)
    tenant = fields.String(required=True)
    actor = fields.String(required=True)
    correlation_id = fields.String(allow_none=True)
    causation_id = fields.String(allow_none=True)
    occurred_at = fields.String(allow_none=True, metadata=_TIME)
    recorded_at = fields.String(required=True, metadata=_TIME)
    data = fields.Dict(required=True)
    metadata = fields.Dict(required=True)
    leaf_hash = fields.String(required=True, metadata={"pattern": "^[0-9a-f]{64}$"})


class LedgerPageQuery(Schema):
    """Where a page begins and how long it is."""

    after = fields.Integer(validate=validate.Range(0))
    limit = fields.Integer(validate=validate.Range(1, 1000))


class LedgerLogQuery(LedgerPageQuery):
    """Which events of the log."""

    tenant = fields.String(
        metadata={"description": "With a ledger-wide credential: only this tenant's events."}
    )


class LedgerRunEventsQuery(LedgerPageQuery, LedgerTenantQuery):
    """Which events of a run."""


class LedgerEvents(Schema):
    """A page of events and where the next one begins."""

    events = fields.List(fields.Nested(LedgerEvent), required=True)
    next_after = fields.Integer(required=True)


class LedgerCut(Schema):
    """What is left out of a large value: it is whole in the event, and in the run."""

    size_bytes = fields.Integer(required=True, metadata={"description": "Of its JSON."})
    sha256 = fields.String(required=True, metadata={"description": "Of its JSON."})


class LedgerCuts(Schema):
    """Which of the two values is shown by its beginning."""

    before = fields.Nested(LedgerCut, required=True, allow_none=True)
    after = fields.Nested(LedgerCut, required=True, allow_none=True)


class LedgerChange(Schema):
    """A field of the run before and after an event; what is not there yet is null."""

    field = fields.String(
        required=True,
        metadata={
            "description": "As the run shows it; of a task `tasks[PATH].NAME`.",
            "example": "tasks[LOAD].status",
        },
    )
    before = fields.Raw(required=True, allow_none=True)
    after = fields.Raw(required=True, allow_none=True)
    cut = fields.Nested(LedgerCuts, metadata={"description": "Where a value is too large."})


class LedgerHistoryEvent(LedgerEvent):
    """An event of a run and what it did."""

    source = fields.String(
        required=True, allow_none=True, metadata={"description": "The front door it came through."}
    )
    delay_s = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "From occurred_at to recorded_at; null where nobody told."},
    )
    after_end = fields.Boolean(
        required=True, metadata={"description": "It came when the run had ended."}
    )
    changes = fields.List(fields.Nested(LedgerChange), required=True)
    corrects = fields.Nested(
        LedgerEvent,
        required=True,
        allow_none=True,
        metadata={"description": "Of a correction: the event that it corrects."},
    )
    corrections = fields.List(
        fields.Nested(LedgerEvent),
        required=True,
        metadata={"description": "What was corrected in this event, of the run's first 1,000."},
    )


class LedgerHistory(Schema):
    """A page of a run's history and the version after which the next one begins."""

    events = fields.List(fields.Nested(LedgerHistoryEvent), required=True)
    next_after = fields.Integer(required=True)


class LedgerAuditQuery(Schema):
    """Which events of the audit trail."""

    tenant = fields.String(
        metadata={"description": "With a ledger-wide credential: only this tenant's events."}
    )
    actor = fields.String()
    flow = fields.String(metadata={"description": "Full name of the flow that it is about."})
    type = fields.String(
        metadata={
            "description": "Event types with commas between.",
            "example": "RunFailed,TaskFailed",
        }
    )
    from_ = fields.String(
        data_key="from", metadata={**_TIME, "description": "Recorded then or later."}
    )
    to = fields.String(metadata={**_TIME, "description": "Recorded before."})
    cursor = fields.String(metadata={"description": "The next_cursor of the page before."})
    limit = fields.Integer(validate=validate.Range(1, 1000), metadata={"default": 100})


class LedgerAuditEvent(LedgerEvent):
    """An event, through what it came, and which run and flow it is about."""

    source = fields.String(required=True, allow_none=True)
    run_id = fields.UUID(required=True, allow_none=True)
    flow = fields.String(required=True, allow_none=True)


class LedgerAudit(Schema):
    """A page of the audit trail, newest first; it may be empty while there is a next one."""

    events = fields.List(fields.Nested(LedgerAuditEvent), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class LedgerCorrect(Schema):
    """What is wrong in an event of the run."""

    position = fields.Integer(
        required=True, validate=validate.Range(1), metadata={"description": "Of the event."}
    )
    reason = fields.String(required=True, validate=validate.Length(1, MAX_REASON))
    data = fields.Dict(metadata={"description": "What is right instead, in your own words."})


class LedgerCorrection(Schema):
    """A correction, and the event that it corrects."""

    correction = fields.Nested(LedgerEvent, required=True)
    corrects = fields.Nested(LedgerEvent, required=True)


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


class LedgerProjection(Schema):
    """A read model and how far it is."""

    name = fields.String(required=True)
    version = fields.Integer(required=True)
    position = fields.Integer(required=True)
    head = fields.Integer(required=True)
    lag_events = fields.Integer(required=True)
    lag_s = fields.Float(allow_none=True)
    state = fields.String(required=True)
    error = fields.String(allow_none=True)
    error_position = fields.Integer(allow_none=True)
    serving = fields.Boolean(required=True)
    rate_per_s = fields.Float(metadata={"description": "Events passed each second."})
    rate_over_s = fields.Float(metadata={"description": "Seconds that the rate was taken over."})
    advice = fields.String(allow_none=True, metadata={"description": "What to do about it."})


class LedgerProjections(Schema):
    """All read models."""

    projections = fields.List(fields.Nested(LedgerProjection), required=True)


class LedgerProjectionRetry(Schema):
    """Which version is meant; absent is the one that answers."""

    version = fields.Integer(allow_none=True, validate=validate.Range(1))


class LedgerProjectionSkip(LedgerProjectionRetry):
    """What is skipped, and why."""

    position = fields.Integer(required=True, validate=validate.Range(1))
    reason = fields.String(required=True, validate=validate.Length(1, MAX_SKIP_REASON))


class LedgerResumed(Schema):
    """What became of a read model that was told to go on."""

    outcome = fields.String(
        required=True,
        validate=validate.OneOf(["went_on", "paused_again", "waits"]),
        metadata={"description": "`waits`: nobody has applied anything so far."},
    )
    skipped_at = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "The position of the `EventSkipped` that records it."},
    )
    projection = fields.Nested(LedgerProjection, required=True)


class LedgerRebuildStart(Schema):
    """How fast a read model is rebuilt."""

    workers = fields.Integer(
        allow_none=True,
        validate=validate.Range(1),
        metadata={"description": "Processes that fold; absent is half the cores."},
    )
    rate = fields.Integer(
        allow_none=True,
        validate=validate.Range(1),
        metadata={"description": "Events a second at most; absent is no limit."},
    )


class LedgerRebuild(Schema):
    """A rebuild of a read model, and how far it is."""

    rebuild_id = fields.String(required=True)
    projection = fields.String(required=True)
    purpose = fields.String(required=True, validate=validate.OneOf(["replace", "roll_back"]))
    from_version = fields.Integer(required=True)
    version = fields.Integer(required=True, metadata={"description": "The one that it makes."})
    shape = fields.Integer(required=True)
    phase = fields.String(
        required=True,
        validate=validate.OneOf(
            [
                "waiting",
                "folding",
                "indexing",
                "catching_up",
                "verifying",
                "flipping",
                "finished",
                "failed",
                "cancelled",
            ]
        ),
    )
    target = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Events of history to fold."}
    )
    folded = fields.Integer(required=True)
    rate = fields.Float(
        required=True, allow_none=True, metadata={"description": "Events folded a second."}
    )
    remaining_s = fields.Float(
        required=True, allow_none=True, metadata={"description": "Until all of history is folded."}
    )
    cancel_requested = fields.Boolean(required=True)
    error = fields.String(
        required=True, allow_none=True, metadata={"description": "Why it failed."}
    )
    error_position = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Of the event at fault."}
    )
    result = fields.Dict(
        required=True,
        allow_none=True,
        metadata={
            "description": "`rows` of each table, whether both versions were `alike`, runs"
            " `sampled` against the log, `position` at which it answered, `held_ms`."
        },
    )
    started_by = fields.String(required=True)
    created_at = fields.String(required=True)
    updated_at = fields.String(required=True)
