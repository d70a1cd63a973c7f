"""The fold of `listings`: each run's place in two lists, and the counts that lead to a page.

The name of a tenant's list is the empty text, that of a flow's list its fullname. A run gets its
ordinal in a list once, in the order of `RunQueued`; ordinals are never reused. A block is a
thousand ordinals, with the number of runs that are still listed. A run that leaves a list changes
the count of its block, and no ordinal.

A row shows the run's tasks only where its flow is listed by task.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from events.bodies import RunQueued, TaskBody
from events.envelope import Event
from events.types import RUN_QUEUED, RUN_UNLISTED, TASK_TYPES
from projections.documents.run import ExecutionDocument, apply_event, new_run
from projections.documents.task import ListingDocument, TaskSummary, apply_task_status, new_steps
from projections.projection import Columns, Key, KnownFlows, States, run_key, state_of
from projections.results import Record, columns_of

BLOCK: Final = 1000
"""Ordinals in a block; the statements that find pages have the same number."""

ALL: Final = ""
"""The name of a tenant's list of all its runs."""


@dataclass(slots=True)
class Place:
    """A run's place in its two lists.

    Whether the tables already count the run: ``counted`` as issued, ``live`` as listed.
    ``tasks``, by path and without hooks, is None unless the flow is listed by task.
    """

    run: ExecutionDocument
    ordinal: int
    flow_ordinal: int
    unlisted_position: int | None = None
    counted: bool = False
    live: bool = False
    tasks: dict[str, TaskSummary] | None = None


@dataclass(slots=True)
class Issued:
    """How many ordinals a list has issued."""

    ordinals: int = 0


def keys(event: Event) -> Sequence[Key]:
    """Give the key of the run, and of the lists that a new run enters."""
    if event.type != RUN_QUEUED:
        return (run_key(event),)
    return (run_key(event), *lists_of(event))


def lists_of(event: Event) -> tuple[Key, Key]:
    """Give the keys of the lists that a new run enters: its tenant's and its flow's."""
    tenant = event.tenant
    body: RunQueued = event.data
    return ("list", tenant, ALL), ("list", tenant, body["flow"])


def fold(states: States, event: Event, flows: KnownFlows) -> Sequence[Key]:
    """Fold one event of a run into its row."""
    key = run_key(event)
    if event.type == RUN_QUEUED:
        whole, flow = lists_of(event)
        version = flows.of(event)
        tasks = new_steps(event, version) if version.listed_by_task else None
        run = new_run(event, version)
        states[key] = Place(run, _next(states, whole), _next(states, flow), tasks=tasks)
        return (key,)
    place: Place = state_of(states, key)
    apply_event(place.run, event)
    if place.tasks is not None and event.type in TASK_TYPES:
        _advance_task(place.tasks, place.run, event)
    if event.type == RUN_UNLISTED and place.unlisted_position is None:
        place.unlisted_position = event.position
    return (key,)


def _advance_task(tasks: Mapping[str, TaskSummary], run: ExecutionDocument, event: Event) -> None:
    body: TaskBody = event.data
    task = tasks.get(body["task"])
    if task is not None:  # else it is a hook
        apply_task_status(task, event, run["created_us"])


def _next(states: States, key: Key) -> int:
    if states.get(key) is None:
        states[key] = Issued()
    issued: Issued = states[key]
    issued.ordinals += 1
    return issued.ordinals - 1


def deserialize(row: Record) -> Place | Issued:
    """Read a run, or a list's count, back from its row."""
    if row["kind"] == "list":
        return Issued(row["issued"])
    listed: Any = orjson.loads(row["document"])
    tasks = listed.pop("task_rows", None)
    run: ExecutionDocument = listed
    run["metrics"] = []
    unlisted = row["unlisted_position"]
    return Place(
        run,
        row["ordinal"],
        row["flow_ordinal"],
        unlisted,
        counted=True,
        live=unlisted is None,
        tasks=None if tasks is None else {task["path"]: task for task in tasks},
    )


def columns(states: States, changed: Iterable[Key]) -> Columns:
    """Write runs (11 columns), then what their lists (4) and their blocks (6) gain."""
    places: list[Place] = [states[key] for key in changed]
    rows = columns_of(map(_row, places), 11)
    return (*rows, *_gains(places))


def _row(place: Place) -> tuple[Any, ...]:
    run = place.run
    return (
        run["tenant"],
        run["run_id"],
        place.ordinal,
        run["fullname"],
        place.flow_ordinal,
        run["queued_position"],
        run["status"],
        run["started_by"],
        run["created_us"],
        place.unlisted_position,
        orjson.dumps(document(place)),
    )


@dataclass(slots=True)
class _Gain:
    """What a block gains, and its first position and time if it is new."""

    first_position: int
    first_created_us: int
    issued: int = 0
    live: int = 0


def _gains(places: Iterable[Place]) -> Columns:
    blocks: dict[tuple[str, str, int], _Gain] = {}
    for place in places:
        _count(place, blocks)
    issued: Counter[tuple[str, str]] = Counter()
    live: Counter[tuple[str, str]] = Counter()
    for (tenant, name, _), gain in blocks.items():
        issued[tenant, name] += gain.issued
        live[tenant, name] += gain.live
    lists = [(*name, issued[name], live[name]) for name in issued]
    parts = [(*block, g.live, g.first_position, g.first_created_us) for block, g in blocks.items()]
    return (*columns_of(lists, 4), *columns_of(parts, 6))


def _count(place: Place, blocks: dict[tuple[str, str, int], _Gain]) -> None:
    listed = place.unlisted_position is None
    issued, live = int(not place.counted), int(listed) - int(place.live)
    place.counted, place.live = True, listed
    if not issued and not live:
        return
    run = place.run
    for name, ordinal in ((ALL, place.ordinal), (run["fullname"], place.flow_ordinal)):
        block = (run["tenant"], name, ordinal // BLOCK)
        gain = blocks.setdefault(block, _Gain(run["queued_position"], run["created_us"]))
        gain.first_position = min(gain.first_position, run["queued_position"])
        gain.first_created_us = min(gain.first_created_us, run["created_us"])
        gain.issued += issued
        gain.live += live


def document(place: Place) -> ListingDocument:
    """Give a run's document as lists have it."""
    copy: Any = {**place.run}
    del copy["metrics"]
    listed: ListingDocument = copy
    if error := listed["error"]:
        listed["error"] = {**error, "traceback": None}
    if place.tasks is not None:
        listed["task_rows"] = list(place.tasks.values())
    return listed
