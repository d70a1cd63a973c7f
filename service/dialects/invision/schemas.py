"""The shapes of InVision's requests and answers, for the document; nothing is parsed by them."""

# ruff: noqa: N815 - the fields are named as the vendor names them
from __future__ import annotations

from marshmallow import INCLUDE, Schema, fields, validate


class InvisionStartQuery(Schema):
    """Chooses when the call answers."""

    wait = fields.String(
        data_key="await", metadata={"description": "`true`: answer when the run has ended."}
    )


class InvisionStartHeaders(Schema):
    """Makes a repeated start safe."""

    idempotency_key = fields.String(
        data_key="Idempotency-Key", metadata={"description": "1 to 200 printable characters."}
    )


class InvisionArguments(Schema):
    """What a data flow is started with; all of it becomes the run's payload."""

    class Meta:
        """Unknown members are ignored."""

        unknown = INCLUDE

    globalArguments = fields.Dict(allow_none=True)
    activitiesExecutionData = fields.List(fields.Dict(), allow_none=True)
    dataContext = fields.String(allow_none=True)


class InvisionRun(Schema):
    """A run and its status."""

    runId = fields.UUID(required=True)
    status = fields.String(
        required=True, validate=validate.OneOf(["Pending", "Running", "Succeeded", "Failed"])
    )


class InvisionError(Schema):
    """The body of every error."""

    message = fields.String(required=True)
