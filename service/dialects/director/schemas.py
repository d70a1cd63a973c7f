"""The shapes of what Director takes and answers, for openapi.yaml."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf

_WORDS: Final = OneOf(["pending", "progress", "success", "error", "canceled"])


def _about(text: str, example: str | None = None) -> dict[str, Any]:
    return {"description": text} | ({} if example is None else {"example": example})


class DirectorError(Schema):
    """A refusal."""

    error = fields.String(required=True, metadata=_about("What is wrong"))


class DirectorInvalid(DirectorError):
    """A refusal of a body."""

    errors = fields.List(
        fields.String(), metadata=_about("Each thing that does not fit the schema")
    )


class DirectorPong(Schema):
    """The answer to a ping."""

    message = fields.String(required=True, metadata=_about("Always pong", "pong"))


class DirectorListQuery(Schema):
    """Which page of the list."""

    page = fields.String(metadata=_about("The page, from 1; no integer counts as 1", "1"))
    per_page = fields.String(
        metadata=_about("Rows a page; no integer counts as 1000, and there is no maximum", "50")
    )
    with_payload = fields.String(
        metadata=_about("One of n no f false off 0 leaves the payloads out", "false")
    )


class DirectorStartHeaders(Schema):
    """What a start reads beside its body."""

    idempotency_key = fields.String(
        data_key="Idempotency-Key",
        metadata=_about("A repeat with this key answers with the same workflow"),
    )


class DirectorStart(Schema):
    """A workflow to start; no other keys."""

    project = fields.String(required=True, metadata=_about("Before the dot", "example"))
    name = fields.String(required=True, metadata=_about("After the dot", "ETL"))
    payload = fields.Dict(
        keys=fields.String(), required=True, metadata=_about("Handed to each task")
    )
    comment = fields.String(validate=Length(max=255), metadata=_about("Kept with the workflow"))


class DirectorWorkflow(Schema):
    """A workflow."""

    id = fields.UUID(required=True)
    project = fields.String(required=True)
    name = fields.String(required=True)
    fullname = fields.String(required=True, metadata=_about("`project.name`", "example.ETL"))
    status = fields.String(required=True, validate=_WORDS)
    payload = fields.Dict(
        keys=fields.String(), metadata=_about("Absent where the list leaves it out")
    )
    periodic = fields.Boolean(required=True, metadata=_about("Whether a schedule started it"))
    comment = fields.String(metadata=_about("Absent where there is none"))
    created = fields.DateTime(required=True)
    updated = fields.DateTime(required=True)


class DirectorTask(Schema):
    """A task of a workflow."""

    id = fields.UUID(required=True)
    task = fields.UUID(required=True, metadata=_about("Always equal to `id`"))
    key = fields.String(required=True, metadata=_about("The task's name in the definition"))
    status = fields.String(required=True, validate=_WORDS)
    previous = fields.List(
        fields.UUID(), required=True, metadata=_about("Ids of the tasks before; none for hooks")
    )
    is_hook = fields.Boolean(required=True)
    result = fields.Raw(
        required=True,
        allow_none=True,
        metadata=_about("Null until it ends; `exception` and `traceback` where it failed"),
    )
    created = fields.DateTime(required=True)
    updated = fields.DateTime(required=True)


class DirectorWorkflowInFull(DirectorWorkflow):
    """A workflow with its tasks."""

    tasks = fields.List(fields.Nested(DirectorTask), required=True)


class DirectorDefinition(Schema):
    """A definition: the mapping of its file, verbatim, and three names."""

    fullname = fields.String(required=True)
    project = fields.String(required=True)
    name = fields.String(required=True)
    tasks = fields.List(fields.Raw(), metadata=_about("Task names, and groups of them"))
    hooks = fields.Raw(metadata=_about("Tasks for `success` and for `failure`"))
    periodic = fields.Raw(metadata=_about("`interval`, `crontab` or the older `schedule`"))
    schema = fields.Raw(metadata=_about("The JSON Schema of the payload, loaded"))
    queue = fields.Raw(metadata=_about("A queue, or queues by task"))
    retention = fields.Raw(metadata=_about("How many workflows the lists keep"))
