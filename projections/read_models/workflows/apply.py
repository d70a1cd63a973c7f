"""The fold of `workflows`: runs with their tasks, and the flows of each catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from events.bodies import CatalogueBody, TaskBody
from events.envelope import Event
from events.types import CATALOGUE_TYPES, FLOW_RETIRED, RUN_QUEUED, TASK_TYPES
from projections.documents.flow import FlowDocument
from projections.documents.run import ExecutionDocument, apply_event, micros, new_run
from projections.documents.task import TaskDocument, WorkflowDocument, apply_task_event, new_tasks
from projections.projection import (
    Columns,
    Key,
    KnownFlows,
    States,
    run_key,
    run_keys,
    state_of,
)
from projections.results import Record, columns_of


@dataclass(slots=True)
class Workflow:
    """A run, and its tasks by path in the plan's order."""

    run: ExecutionDocument
    tasks: dict[str, TaskDocument]


def keys(event: Event) -> Sequence[Key]:
    """Give the key of the run or flow that an event is about."""
    if event.type in CATALOGUE_TYPES:
        return (_flow_key(event),)
    return run_keys(event)


def _flow_key(event: Event) -> Key:
    body: CatalogueBody = event.data
    return ("flow", event.tenant, body["fullname"])


def fold(states: States, event: Event, flows: KnownFlows) -> Sequence[Key]:
    """Fold one event of a run or of a catalogue."""
    if event.type in CATALOGUE_TYPES:
        return _fold_flow(states, event)
    key = run_key(event)
    if event.type == RUN_QUEUED:
        flow = flows.of(event)
        states[key] = Workflow(new_run(event, flow), new_tasks(event, flow))
    else:
        _advance(state_of(states, key), event)
    return (key,)


def _advance(workflow: Workflow, event: Event) -> None:
    apply_event(workflow.run, event)
    if event.type in TASK_TYPES:
        body: TaskBody = event.data
        apply_task_event(workflow.tasks[body["task"]], event)


def _fold_flow(states: States, event: Event) -> Sequence[Key]:
    key = _flow_key(event)
    now = micros(event.recorded_at)
    if event.type == FLOW_RETIRED:
        flow: FlowDocument = state_of(states, key)
        states[key] = {**flow, "retired": True, "updated_us": now, "position": event.position}
        return (key,)
    before: FlowDocument | None = states.get(key)
    # Not member by member: a row keeps the order in which the event has them.
    registered: Any = {name: value for name, value in event.data.items() if name != "plan"}
    flow = registered | {
        "tenant": event.tenant,
        "retired": False,
        "created_us": before["created_us"] if before else now,
        "updated_us": now,
        "position": event.position,
    }
    states[key] = flow
    return (key,)


def deserialize(row: Record) -> Workflow | FlowDocument:
    """Read a run, or a flow, back from its row."""
    document: Any = orjson.loads(row["document"])
    if row["kind"] == "flow":
        flow: FlowDocument = document
        return flow
    return Workflow(document, {task["path"]: task for task in document.pop("tasks")})


def columns(states: States, changed: Iterable[Key]) -> Columns:
    """Write tenant, run_id, document of runs; then tenant, fullname, document of flows."""
    rows: dict[str, list[tuple[str, str, bytes]]] = {"run": [], "flow": []}
    for kind, tenant, name in changed:
        raw = orjson.dumps(document(states[kind, tenant, name]))
        rows[kind].append((tenant, name, raw))
    return (*columns_of(rows["run"], 3), *columns_of(rows["flow"], 3))


def document(state: Workflow | FlowDocument) -> WorkflowDocument | FlowDocument:
    """Give the document of a run with its tasks, or that of a flow."""
    if isinstance(state, Workflow):
        return {**state.run, "tasks": list(state.tasks.values())}
    return state
