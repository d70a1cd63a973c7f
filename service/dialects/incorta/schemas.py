"""The shapes of Incorta's requests and answers, for the document; nothing is parsed by them."""

# ruff: noqa: N815 - the fields are named as the vendor names them
from __future__ import annotations

from marshmallow import INCLUDE, Schema, fields, validate


class IncortaExecutionPath(Schema):
    """Names the execution."""

    tenant = fields.String(required=True, metadata={"description": "Cases are told apart."})
    executionId = fields.Integer(required=True)


class IncortaStatusQuery(Schema):
    """Chooses the depth."""

    level = fields.Integer(
        load_default=1,
        validate=validate.Range(1, 4),
        metadata={"description": "1 the plan, 2 its groups, 3 schemas, 4 tables."},
    )


class IncortaStartHeaders(Schema):
    """Makes a repeated start safe."""

    idempotency_key = fields.String(
        data_key="Idempotency-Key", metadata={"description": "1 to 200 printable characters."}
    )


class IncortaExecute(Schema):
    """Names the load plan."""

    class Meta:
        """Unknown members are ignored."""

        unknown = INCLUDE

    loadPlanName = fields.String(required=True, validate=validate.Length(min=1))


class IncortaRestart(Schema):
    """Names the load plan, and from where it runs again."""

    class Meta:
        """Unknown members are ignored."""

        unknown = INCLUDE

    loadPlanName = fields.String(required=True, validate=validate.Length(min=1))
    groupSequence = fields.Integer(
        required=True,
        metadata={"description": "The group to restart from; 1 is the first, and so is 0."},
    )
    recentLoadPlanExecution = fields.Integer(
        allow_none=True,
        metadata={"description": "An execution: of it only what is not done from the group on."},
    )


class IncortaExecution(Schema):
    """Names the execution that was started."""

    loadPlanExecutionId = fields.Integer(required=True)


class IncortaStatus(Schema):
    """The status of a node: pollers stop at ``Terminator State``."""

    stateType = fields.String(
        required=True, validate=validate.OneOf(["Load State", "Terminator State"])
    )
    jobStatus = fields.String(required=True)


class IncortaNode(Schema):
    """A load plan, a group, a schema or a table."""

    name = fields.String(required=True)
    type = fields.String(
        required=True, validate=validate.OneOf(["LOAD_PLAN", "GROUP", "SCHEMA", "TABLE"])
    )
    status = fields.Nested(IncortaStatus, required=True)
    childStatusDetails = fields.List(fields.Nested("IncortaNode"))


class IncortaError(Schema):
    """The body of every error."""

    message = fields.String(required=True)
