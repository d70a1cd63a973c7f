"""The contract of a projection: how events are folded into the tables of a read model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol

from events.envelope import Event
from events.types import RUN_TYPES, TASK_TYPES
from projections.documents.flow import Flow
from projections.errors import ApplyEventError, MissingFirstEvent
from projections.flow_versions import FlowVersions
from projections.results import Document, Record

Key = tuple[str, str, str]
"""Names a state: kind (``run``, ``flow``, ``list``), tenant, and name within the tenant."""

States = dict[Key, Any]
"""States by key, changed in place by the fold. None: there is no row; missing: not loaded."""

Columns = tuple[list[Any], ...]
"""The rows that ``store.sql`` writes, as parallel arrays: its parameters from the fifth on."""

RUN_EVENTS: Final = RUN_TYPES | TASK_TYPES
"""The event types of a run's stream."""


class KnownFlows(Protocol):
    """The flow versions that the runs of a batch use."""

    def of(self, event: Event) -> Flow:
        """Give the flow version that a `RunQueued` names."""
        ...


@dataclass(frozen=True, slots=True)
class CopyTarget:
    """A table that a rebuild fills by COPY.

    Targets take the projection's columns in order, each from where the previous one stopped.
    """

    table: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SharedCounters:
    """States shared by many streams, each of which counts the events that enter it, in order.

    - ``types``: the event types that enter such a state.
    - ``keys``: the states that an event enters.
    - ``initial``: makes a state that so many events have entered.
    """

    types: frozenset[str]
    keys: Callable[[Event], Sequence[Key]]
    initial: Callable[[int], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """One schema version of a read model: its events, fold, tables and reads.

    A release raises ``schema_version`` when it changes tables, documents or fold. A read model's
    package exposes the newest as ``PROJECTION``. In ``PREVIOUS`` it keeps the earlier ones while a
    ledger may still serve them; their reads give documents as the newest ones do.

    The fold is pure: it depends on the events, the flows they name and the states before, and not
    on how the events are cut into batches.

    - ``types``: the event types it folds; others are ignored.
    - ``keys``: the states that folding an event needs.
    - ``fold``: folds one event into the states; returns the keys whose rows changed.
    - ``deserialize``: makes a state of a row of ``load.sql``.
    - ``columns``: makes the parameters of ``store.sql`` of the changed states.
    - ``document``: makes the document that readers get of a state.
    - ``reads``: the module of its queries, each one statement.

    ``folder`` holds its SQL:

    - ``create*.sql``, then ``index*.sql``, in the order of their names, make the tables.
    - ``load.sql`` takes kinds, tenants and names as arrays and gives a row with ``kind``,
      ``tenant`` and ``name`` for each state that exists.
    - ``store.sql`` takes the checkpoint (name, version, position before and after) and the columns.
      It advances the checkpoint and writes the rows, or does neither and returns false.

    A rebuild folds segments of streams apart from each other: each state belongs to one stream, or
    is one of the ``counters``. It fills the tables of ``copy_targets``, then runs ``finish*.sql``
    once to fill the others from them.
    """

    name: str
    schema_version: int
    types: frozenset[str]
    folder: Path
    reads: ModuleType
    keys: Callable[[Event], Sequence[Key]]
    fold: Callable[[States, Event, KnownFlows], Sequence[Key]]
    deserialize: Callable[[Record], Any]
    columns: Callable[[States, Iterable[Key]], Columns]
    document: Callable[[Any], Any]
    copy_targets: tuple[CopyTarget, ...]
    counters: SharedCounters | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One build of a read model: tables of its own, in a Postgres schema of their own.

    Each rebuild makes the next number, with the same schema version or a new one.
    """

    projection: Projection
    number: int

    @property
    def name(self) -> str:
        """The read model's name."""
        return self.projection.name

    @property
    def schema(self) -> str:
        """The Postgres schema of its tables."""
        return schema_of(self.name, self.number)


def schema_of(name: str, version: int) -> str:
    """Name the Postgres schema of a version of a read model.

    >>> schema_of("executions", 1)
    'executions_v1'
    """
    return f"{name}_v{version}"


def run_key(event: Event) -> Key:
    """Give the key of the run whose stream an event is in."""
    return ("run", event.tenant, event.stream[4:])


def run_keys(event: Event) -> Sequence[Key]:
    """Give the key of an event's run, as the only one."""
    return (("run", event.tenant, event.stream[4:]),)


def state_of(states: States, key: Key) -> Any:  # noqa: ANN401 - each read model has its own states
    """Give the state that an event continues.

    Raises:
        MissingFirstEvent: there is none.
    """
    state = states.get(key)
    if state is None:
        raise MissingFirstEvent(*key)
    return state


def fold_event(
    projection: Projection, states: States, event: Event, flows: KnownFlows
) -> Sequence[Key]:
    """Fold one event into the states; returns the keys whose rows changed.

    Raises:
        ApplyEventError: the fold failed; names the position and has the cause.
    """
    try:
        return projection.fold(states, event, flows)
    except Exception as error:
        raise ApplyEventError(projection.name, event.position, event.position) from error


async def fold_run(projection: Projection, events: Iterable[Event], flows: FlowVersions) -> Any:  # noqa: ANN401 - the document of that projection
    """Fold a run's stream into its document as of the last event; None if it has none.

    Events that the projection does not fold are ignored.

    Raises:
        ApplyEventError: the fold failed; names the position.
        UnknownFlowVersion: the catalogue lacks the flow version that the run names.
        LogError: the log cannot be read.
    """
    relevant = [event for event in events if event.type in projection.types]
    await flows.load(relevant)
    states: States = {}
    for event in relevant:
        fold_event(projection, states, event, flows)
    state = states.get(run_key(relevant[0])) if relevant else None
    return None if state is None else Document(projection.document(state))
