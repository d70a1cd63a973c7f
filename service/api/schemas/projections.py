"""Schemas of read models: status, retry and skip, rebuilds."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from projections.rebuild.jobs import MAX_WORKERS
from service.ops.paused import MAX_REASON as MAX_SKIP_REASON


class LedgerProjection(Schema):
    """A read model and its progress."""

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
    rate_per_s = fields.Float(metadata={"description": "Events applied per second."})
    rate_over_s = fields.Float(
        metadata={"description": "Seconds over which the rate was measured."}
    )
    advice = fields.String(allow_none=True, metadata={"description": "What to do about it."})


class LedgerProjections(Schema):
    """All read models."""

    projections = fields.List(fields.Nested(LedgerProjection), required=True)


class LedgerProjectionRetry(Schema):
    """Selects a version; absent is the serving one."""

    version = fields.Integer(allow_none=True, validate=validate.Range(1))


class LedgerProjectionSkip(LedgerProjectionRetry):
    """The event to skip, and why."""

    position = fields.Integer(required=True, validate=validate.Range(1))
    reason = fields.String(required=True, validate=validate.Length(1, MAX_SKIP_REASON))


class LedgerResumed(Schema):
    """The outcome for a read model that was resumed."""

    outcome = fields.String(
        required=True,
        validate=validate.OneOf(["went_on", "paused_again", "waits"]),
        metadata={"description": "`waits`: no process has applied an event so far."},
    )
    skipped_at = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "The position of the `EventSkipped` that records the skip."},
    )
    projection = fields.Nested(LedgerProjection, required=True)


class LedgerRebuildStart(Schema):
    """The speed of a rebuild."""

    workers = fields.Integer(
        allow_none=True,
        validate=validate.Range(1, MAX_WORKERS),
        metadata={"description": "Processes that fold events; absent is half the cores."},
    )
    rate = fields.Integer(
        allow_none=True,
        validate=validate.Range(1),
        metadata={"description": "Maximum events per second; absent is no limit."},
    )


class LedgerRebuild(Schema):
    """A rebuild of a read model and its progress."""

    rebuild_id = fields.String(required=True)
    projection = fields.String(required=True)
    purpose = fields.String(required=True, validate=validate.OneOf(["replace", "roll_back"]))
    from_version = fields.Integer(required=True)
    version = fields.Integer(required=True, metadata={"description": "The version that it makes."})
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
        required=True, allow_none=True, metadata={"description": "Events to fold."}
    )
    folded = fields.Integer(required=True)
    rate = fields.Float(
        required=True, allow_none=True, metadata={"description": "Events folded per second."}
    )
    remaining_s = fields.Float(
        required=True, allow_none=True, metadata={"description": "Until all events are folded."}
    )
    cancel_requested = fields.Boolean(required=True)
    error = fields.String(
        required=True, allow_none=True, metadata={"description": "Why the rebuild failed."}
    )
    error_position = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Position of the event at fault."}
    )
    result = fields.Dict(
        required=True,
        allow_none=True,
        metadata={
            "description": "`rows` per table; whether both versions were `alike`; runs `sampled`"
            " against the log; `position` of the flip; `held_ms`, how long it blocked projectors."
        },
    )
    started_by = fields.String(required=True)
    created_at = fields.String(required=True)
    updated_at = fields.String(required=True)
