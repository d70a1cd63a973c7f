"""The fold of `executions`: one document per run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from events.envelope import Event
from events.types import RUN_QUEUED
from projections.documents.run import ExecutionDocument, apply_event, new_run
from projections.projection import Columns, Key, KnownFlows, States, run_key, state_of
from projections.results import Record, columns_of


def fold(states: States, event: Event, flows: KnownFlows) -> Sequence[Key]:
    """Fold one event of a run into its document."""
    key = run_key(event)
    if event.type == RUN_QUEUED:
        states[key] = new_run(event, flows.of(event))
    else:
        apply_event(state_of(states, key), event)
    return (key,)


def deserialize(row: Record) -> ExecutionDocument:
    """Read a run's document back from its row."""
    run: ExecutionDocument = orjson.loads(row["document"])
    return run


def columns(states: States, changed: Iterable[Key]) -> Columns:
    """Write tenant, run_id, run_number, flow_number, queued_position, document."""
    return columns_of((_row(states[key]) for key in changed), 6)


def _row(run: ExecutionDocument) -> tuple[Any, ...]:
    return (
        run["tenant"],
        run["run_id"],
        run["run_number"],
        run["flow_number"],
        run["queued_position"],
        orjson.dumps(run),
    )


def document(run: ExecutionDocument) -> ExecutionDocument:
    """Give a run's document, which is its state."""
    return run
