"""Turns a load plan's run into the tree that Incorta answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from service.dialects.incorta import statuses
from service.dialects.incorta.statuses import Word

_CHILDREN: Final = {"GROUP": "schemas", "SCHEMA": "tables"}
_BELOW: Final = {"GROUP": "SCHEMA", "SCHEMA": "TABLE"}


def tree(document: Mapping[str, Any], level: int) -> dict[str, Any]:
    """Show a load plan down to a level: 1 the plan, 2 its groups, 3 schemas, 4 tables.

    ``childStatusDetails`` is absent at the lowest level shown and below tables, and empty where a
    node has no children.

    Source: docs.incorta.com, "Load Plan Execution Status".
    """
    run = document["run"]
    word = statuses.plan(run, document["groups"])
    shown = _node(run["flow_ids"]["incorta"]["loadPlanName"], "LOAD_PLAN", word)
    if level > 1:
        words = statuses.nodes(run)
        shown["childStatusDetails"] = [
            _below(group, "GROUP", words, level - 1) for group in document["groups"]
        ]
    return shown


def _below(
    node: Mapping[str, Any], kind: str, words: Mapping[str, Word], levels: int
) -> dict[str, Any]:
    shown = _node(node["name"], kind, words[node["state"]])
    if levels > 1 and kind in _BELOW:
        children: Sequence[Mapping[str, Any]] = node[_CHILDREN[kind]]
        shown["childStatusDetails"] = [
            _below(child, _BELOW[kind], words, levels - 1) for child in children
        ]
    return shown


def _node(name: str, kind: str, word: Word) -> dict[str, Any]:
    state_type, job_status = word
    return {
        "name": name,
        "type": kind,
        "status": {"stateType": state_type, "jobStatus": job_status},
    }
