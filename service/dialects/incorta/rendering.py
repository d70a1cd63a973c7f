"""Renders a run of a load plan as Incorta's tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projections.read_models.load_plans.apply import Group, LoadPlan, NodeStatus, Schema
from service.dialects.incorta import statuses
from service.dialects.incorta.statuses import Word

PLAN, GROUPS, SCHEMAS, TABLES = range(1, 5)
"""Levels of a tree, each with those above it."""


def tree(document: LoadPlan, level: int) -> dict[str, Any]:
    """Render a load plan down to a level: 1 the plan, 2 its groups, 3 schemas, 4 tables.

    ``childStatusDetails`` is absent at the lowest requested level and for tables, and empty if a
    node has no children.

    Source: docs.incorta.com, "Load Plan Execution Status".
    """
    run, groups = document["run"], document["groups"]
    rendered = _node(
        run["flow_ids"]["incorta"]["loadPlanName"], "LOAD_PLAN", statuses.plan(run, groups)
    )
    if level > PLAN:
        words = statuses.nodes(run)
        rendered["childStatusDetails"] = [_group(group, words, level) for group in groups]
    return rendered


def _group(group: Group, words: Mapping[NodeStatus, Word], level: int) -> dict[str, Any]:
    rendered = _node(group["name"], "GROUP", words[group["state"]])
    if level > GROUPS:
        rendered["childStatusDetails"] = [
            _schema(schema, words, level) for schema in group["schemas"]
        ]
    return rendered


def _schema(schema: Schema, words: Mapping[NodeStatus, Word], level: int) -> dict[str, Any]:
    rendered = _node(schema["name"], "SCHEMA", words[schema["state"]])
    if level > SCHEMAS:
        rendered["childStatusDetails"] = [
            _node(table["name"], "TABLE", words[table["state"]]) for table in schema["tables"]
        ]
    return rendered


def _node(name: str, kind: str, word: Word) -> dict[str, Any]:
    state_type, job_status = word
    return {
        "name": name,
        "type": kind,
        "status": {"stateType": state_type, "jobStatus": job_status},
    }
