"""The shapes of Airflow's answers, for the document."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

_STATES = validate.OneOf(["queued", "running", "success", "failed"])


class AirflowListQuery(Schema):
    """Which page."""

    limit = fields.Integer(validate=validate.Range(0, 2**31 - 1))
    offset = fields.Integer(validate=validate.Range(0, 2**31 - 1))


class AirflowDagRun(Schema):
    """A run of a DAG."""

    conf = fields.Dict(required=True)
    dag_id = fields.String(required=True)
    dag_run_id = fields.String(required=True)
    data_interval_end = fields.String(required=True, allow_none=True)
    data_interval_start = fields.String(required=True, allow_none=True)
    end_date = fields.String(required=True, allow_none=True)
    execution_date = fields.String(required=True)
    external_trigger = fields.Boolean(required=True)
    last_scheduling_decision = fields.String(required=True, allow_none=True)
    logical_date = fields.String(required=True)
    note = fields.String(required=True, allow_none=True)
    run_type = fields.String(required=True, validate=validate.OneOf(["manual", "scheduled"]))
    start_date = fields.String(required=True, allow_none=True)
    state = fields.String(required=True, validate=_STATES)


class AirflowDagRuns(Schema):
    """A page of runs."""

    dag_runs = fields.List(fields.Nested(AirflowDagRun), required=True)
    total_entries = fields.Integer(required=True)


class AirflowTaskInstance(Schema):
    """A task of a run."""

    dag_id = fields.String(required=True)
    dag_run_id = fields.String(required=True)
    duration = fields.Float(required=True, allow_none=True)
    end_date = fields.String(required=True, allow_none=True)
    execution_date = fields.String(required=True)
    map_index = fields.Integer(required=True)
    start_date = fields.String(required=True, allow_none=True)
    state = fields.String(required=True, allow_none=True)
    task_id = fields.String(required=True)
    try_number = fields.Integer(required=True)


class AirflowTaskInstances(Schema):
    """A page of tasks."""

    task_instances = fields.List(fields.Nested(AirflowTaskInstance), required=True)
    total_entries = fields.Integer(required=True)


class AirflowError(Schema):
    """A refusal (RFC 7807)."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
