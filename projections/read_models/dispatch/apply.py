"""The fold of `dispatch`: the open runs that a worker executes or that have a timeout.

These are the runs of in-process flows, and those of external flows that have a timeout. A run that
has ended has no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, TypedDict

import orjson

from events.bodies import Executor, RunCancelRequested, RunClaimed, RunQueued
from events.envelope import Event
from events.types import RUN_CANCEL_REQUESTED, RUN_CLAIMED, RUN_ENDS, RUN_QUEUED, RUN_STARTED
from projections.documents.flow import Flow
from projections.documents.run import micros
from projections.projection import Columns, Key, KnownFlows, States, run_key
from projections.results import Record, columns_of

TYPES: Final = RUN_ENDS | {RUN_QUEUED, RUN_CLAIMED, RUN_STARTED, RUN_CANCEL_REQUESTED}


class Dispatch(TypedDict):
    """An open run; ``worker`` and ``epoch`` are those of its last claim.

    ``deadline_us``, by the ledger's clock, is when the run times out: ``timeout_s`` after its
    start, or of an external run that has not started, after it was queued. Of an in-process run
    that is delayed it is the end of the delay. None: there is none yet.
    """

    run_id: str
    run_number: int
    tenant: str
    fullname: str
    flow_version: int
    executor: Executor
    status: Literal["queued", "claimed", "running"]
    worker: str | None
    epoch: int
    cancel_requested: bool
    force: bool
    timeout_s: float | None
    deadline_us: int | None
    queued_position: int
    position: int


def fold(states: States, event: Event, flows: KnownFlows) -> Sequence[Key]:
    """Fold one event of a run; external runs without a timeout have no row."""
    key = run_key(event)
    if event.type == RUN_QUEUED:
        states[key] = _begin(event, flows.of(event))
        return (key,) if states[key] else ()
    state: Dispatch | None = states.get(key)
    if state is None:
        return ()
    states[key] = _advance(state, event)
    return (key,)


def _begin(event: Event, flow: Flow) -> Dispatch | None:
    data: RunQueued = event.data
    external = data["executor"] == "external"
    if external and flow.timeout_s is None:
        return None
    return {
        "run_id": data["run_id"],
        "run_number": data["run_number"],
        "tenant": event.tenant,
        "fullname": data["flow"],
        "flow_version": data["flow_version"],
        "executor": data["executor"],
        "status": "queued",
        "worker": None,
        "epoch": 0,
        "cancel_requested": False,
        "force": False,
        "timeout_s": flow.timeout_s,
        "deadline_us": _first_deadline(event, flow),
        "queued_position": event.position,
        "position": event.position,
    }


def _first_deadline(event: Event, flow: Flow) -> int | None:
    body: RunQueued = event.data
    delay_s = body.get("delay_s", 0.0)
    if body["executor"] == "external":
        return _deadline(event, delay_s + (flow.timeout_s or 0.0))
    return _deadline(event, delay_s) if delay_s else None


def _deadline(event: Event, timeout_s: float | None) -> int | None:
    return None if timeout_s is None else micros(event.recorded_at) + round(timeout_s * 1_000_000)


def _advance(state: Dispatch, event: Event) -> Dispatch | None:
    if event.type in RUN_ENDS:
        return None
    state["position"] = event.position
    if event.type == RUN_CLAIMED:
        claimed: RunClaimed = event.data
        state["worker"], state["epoch"] = claimed["worker"], claimed["epoch"]
        if state["status"] == "queued":
            state["status"], state["deadline_us"] = "claimed", None
    elif event.type == RUN_CANCEL_REQUESTED:
        requested: RunCancelRequested = event.data
        state["cancel_requested"] = True
        state["force"] = state["force"] or requested["force"]
    elif state["status"] != "running":
        state["status"] = "running"
        state["deadline_us"] = _deadline(event, state["timeout_s"])
    return state


def deserialize(row: Record) -> Dispatch:
    """Read an open run back from its row."""
    state: Dispatch = orjson.loads(row["document"])
    return state


def columns(states: States, changed: Iterable[Key]) -> Columns:
    """Write open runs (7 columns), then the tenant and run_id of those that ended."""
    open_runs: list[tuple[Any, ...]] = []
    ended: list[tuple[str, str]] = []
    for key in changed:
        if state := states[key]:
            open_runs.append(_row(state))
        else:
            ended.append(key[1:])
    return (*columns_of(open_runs, 7), *columns_of(ended, 2))


def _row(state: Dispatch) -> tuple[Any, ...]:
    # One that is to wait is found by its deadline.
    waiting = (
        state["executor"] == "in_process"
        and state["worker"] is None
        and state["deadline_us"] is None
    )
    return (
        state["tenant"],
        state["run_id"],
        state["queued_position"],
        waiting,
        state["worker"],
        state["deadline_us"],
        orjson.dumps(state),
    )


def document(state: Dispatch) -> Dispatch:
    """Give the document of an open run, which is its state."""
    return state
