"""Schemas of events: the log, a run's history, the audit trail, corrections."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from service.api.parsing import MAX_REASON
from service.api.schemas.runs import LedgerTenantQuery

_TIME = {"format": "date-time"}


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
    """Selects events of the log."""

    tenant = fields.String(
        metadata={"description": "With a ledger-wide credential: only this tenant's events."}
    )


class LedgerRunEventsQuery(LedgerPageQuery, LedgerTenantQuery):
    """Selects events of a run."""


class LedgerEvents(Schema):
    """A page of events and where the next one begins."""

    events = fields.List(fields.Nested(LedgerEvent), required=True)
    next_after = fields.Integer(required=True)


class LedgerCut(Schema):
    """A large value, of which only the beginning is shown; event and run have it whole."""

    size_bytes = fields.Integer(required=True, metadata={"description": "Of the value's JSON."})
    sha256 = fields.String(required=True, metadata={"description": "Of the value's JSON."})


class LedgerCuts(Schema):
    """Which of the two values are shown by their beginning only."""

    before = fields.Nested(LedgerCut, required=True, allow_none=True)
    after = fields.Nested(LedgerCut, required=True, allow_none=True)


class LedgerChange(Schema):
    """A field of the run before and after an event; null if absent."""

    field = fields.String(
        required=True,
        metadata={
            "description": "The field's name in the run; `tasks[PATH].NAME` for a task.",
            "example": "tasks[LOAD].status",
        },
    )
    before = fields.Raw(required=True, allow_none=True)
    after = fields.Raw(required=True, allow_none=True)
    cut = fields.Nested(LedgerCuts, metadata={"description": "Only if a value is too large."})


class LedgerHistoryEvent(LedgerEvent):
    """An event of a run and what it changed."""

    source = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The API or part of the service that sent it."},
    )
    delay_s = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "From occurred_at to recorded_at; null without occurred_at."},
    )
    after_end = fields.Boolean(
        required=True, metadata={"description": "Whether the run had already ended."}
    )
    changes = fields.List(fields.Nested(LedgerChange), required=True)
    corrects = fields.Nested(
        LedgerEvent,
        required=True,
        allow_none=True,
        metadata={"description": "For a correction: the event that it corrects."},
    )
    corrections = fields.List(
        fields.Nested(LedgerEvent),
        required=True,
        metadata={"description": "Corrections of this event, among the run's first 1,000."},
    )


class LedgerHistory(Schema):
    """A page of a run's history and the version after which the next one begins."""

    events = fields.List(fields.Nested(LedgerHistoryEvent), required=True)
    next_after = fields.Integer(required=True)


class LedgerAuditQuery(Schema):
    """Selects events of the audit trail."""

    tenant = fields.String(
        metadata={"description": "With a ledger-wide credential: only this tenant's events."}
    )
    actor = fields.String()
    flow = fields.String(metadata={"description": "Full name of the flow that the event is about."})
    type = fields.String(
        metadata={
            "description": "Event types, separated by commas.",
            "example": "RunFailed,TaskFailed",
        }
    )
    from_ = fields.String(
        data_key="from", metadata={**_TIME, "description": "Recorded at this time or later."}
    )
    to = fields.String(metadata={**_TIME, "description": "Recorded before this time."})
    cursor = fields.String(metadata={"description": "The next_cursor of the previous page."})
    limit = fields.Integer(validate=validate.Range(1, 1000), metadata={"default": 100})


class LedgerAuditEvent(LedgerEvent):
    """An event with its source, and the run and flow that it is about."""

    source = fields.String(required=True, allow_none=True)
    run_id = fields.UUID(required=True, allow_none=True)
    flow = fields.String(required=True, allow_none=True)


class LedgerAudit(Schema):
    """A page of the audit trail, newest first; it may be empty although another follows."""

    events = fields.List(fields.Nested(LedgerAuditEvent), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class LedgerCorrect(Schema):
    """What is wrong in an event of the run."""

    position = fields.Integer(
        required=True,
        validate=validate.Range(1),
        metadata={"description": "The position of the event."},
    )
    reason = fields.String(required=True, validate=validate.Length(1, MAX_REASON))
    data = fields.Dict(metadata={"description": "The correct values, in any form."})


class LedgerCorrection(Schema):
    """A correction, and the event that it corrects."""

    correction = fields.Nested(LedgerEvent, required=True)
    corrects = fields.Nested(LedgerEvent, required=True)
