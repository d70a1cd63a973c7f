"""The shapes of Etlworks' requests and answers, for the document; nothing is parsed by them."""

# ruff: noqa: N815 - the fields are named as the vendor names them
from __future__ import annotations

from typing import Any

from marshmallow import INCLUDE, Schema, fields


def _null(kind: type[fields.Field[Any]] = fields.String, text: str = "") -> fields.Field[Any]:
    return kind(required=True, allow_none=True, metadata={"description": text} if text else {})


class EtlworksFlowPath(Schema):
    """Names the flow."""

    flowId = fields.Integer(required=True, metadata={"description": "A long."})


class EtlworksStatusQuery(Schema):
    """Chooses an execution; an empty value is an absent one, and all that is given must match."""

    auditId = fields.String(metadata={"description": "A long: one execution."})
    messageId = fields.String(metadata={"description": "A UUID: the execution of one message."})
    status = fields.String(
        metadata={"description": "A status word: the execution started last that has it."}
    )


class EtlworksDownloadQuery(Schema):
    """Names the execution whose log is downloaded."""

    flowId = fields.Integer(required=True, metadata={"description": "A long."})
    auditId = fields.Integer(required=True, metadata={"description": "A long."})
    Authorization = fields.String(
        metadata={"description": "`Bearer` and a token, where there is no such header."}
    )


class EtlworksFlowNamePath(Schema):
    """Names the flow."""

    flowName = fields.String(
        required=True,
        metadata={"description": "`project.NAME`, or the name alone where only one flow has it."},
    )


class EtlworksListenerPath(Schema):
    """Names the listener."""

    pattern = fields.String(
        required=True,
        metadata={"description": "The `listener` of the flow's ids; it may have slashes."},
    )


class EtlworksTenantPath(Schema):
    """Names the tenant."""

    tenantId = fields.String(required=True, metadata={"description": "The tenant's name."})


class EtlworksLogin(Schema):
    """The username and password of a credential."""

    login = fields.String(required=True, metadata={"minLength": 1})
    password = fields.String(required=True, metadata={"minLength": 1})


class EtlworksToken(Schema):
    """A token for `Authorization: Bearer`."""

    token = fields.String(required=True)


class EtlworksMessage(Schema):
    """A message: an object becomes the run's payload as it is."""

    class Meta:
        """Any name is a part of the message."""

        unknown = INCLUDE


class EtlworksStartHeaders(Schema):
    """Makes a repeated start safe."""

    idempotency_key = fields.String(
        data_key="Idempotency-Key", metadata={"description": "1 to 200 printable characters."}
    )


class EtlworksParameters(Schema):
    """A flat map of parameters, which become the run's payload."""

    class Meta:
        """Any name is a parameter."""

        unknown = INCLUDE


class EtlworksStarted(Schema):
    """What a start call answers."""

    flowId = fields.Integer(required=True)
    messageUuid = _null(fields.UUID)
    auditId = fields.Integer(required=True)
    status = fields.Integer(
        required=True,
        metadata={"description": "0 started, 1 running, 2 canceled, 4 success, 5 error."},
    )
    exception = _null()


class EtlworksExecution(Schema):
    """An execution: all fields are always there, null where they do not apply."""

    auditId = fields.Integer(required=True)
    parentAuditId = _null(fields.Integer, "The first execution of a chain of retries.")
    retries = _null(fields.Integer)
    flowId = fields.Integer(required=True)
    flowName = fields.String(required=True)
    eventId = _null(fields.Integer)
    eventName = _null()
    messageId = _null(fields.UUID, "Only where a message started the execution.")
    tenantId = _null(fields.Integer)
    status = fields.String(
        required=True,
        metadata={
            "enum": ["running", "success", "warning", "error", "queued", "canceled"],
            "description": "The last two only for tenants that are served six words.",
        },
    )
    triggerType = _null()
    startedBy = fields.String(required=True)
    started = fields.Integer(required=True, metadata={"description": "Epoch milliseconds."})
    ended = _null(fields.Integer, "Epoch milliseconds.")
    duration = _null(text="In words: `1 minute 2 seconds`.")
    code = _null(text="The failing statement.")
    exception = _null()
    warnings = _null()
    metrics = fields.List(fields.Dict(), required=True, allow_none=True)
    fileMetrics = fields.List(fields.Dict(), required=True, allow_none=True)
    errorLocationInSql = _null(fields.Integer, "The line in `code`.")
    fileName = _null()
    records = fields.Integer(required=True)


class EtlworksError(Schema):
    """The body of every 4xx and 5xx."""

    status = fields.Integer(required=True)
    error = fields.String(required=True)
    message = fields.String(required=True)
    path = fields.String(required=True)
