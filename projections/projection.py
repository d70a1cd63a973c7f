"""The contract of a projection: how a read model is folded from events, and kept in its tables."""

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
from projections.flow_versions import Flows
from projections.results import Document, Record

Key = tuple[str, str, str]
"""What a state is of: kind (``run``, ``flow``, ``list``), tenant, and the name in the tenant."""

States = dict[Key, Any]
"""States by key, for the fold to change: None has no row, of a missing key nothing is known."""

Columns = tuple[list[Any], ...]
"""What ``store.sql`` writes, as parallel arrays: its parameters from the fifth on."""

RUN_EVENTS: Final = RUN_TYPES | TASK_TYPES
"""The event types of a run's stream."""


class KnownFlows(Protocol):
    """The flow versions that the runs of a batch name."""

    def of(self, event: Event) -> Flow:
        """Give the flow version that a `RunQueued` names."""
        ...


@dataclass(frozen=True, slots=True)
class Copied:
    """A table that a rebuild fills by COPY with the next of the arrays that ``columns`` gives."""

    table: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """States that many streams share: each counts the events that enter it, in their order.

    - ``types``: the events that enter any.
    - ``keys``: the states that such an event enters.
    - ``begin``: makes the state that so many events have entered.
    """

    types: frozenset[str]
    keys: Callable[[Event], Sequence[Key]]
    begin: Callable[[int], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """One shape of a read model. Its folder exposes the newest as ``PROJECTION``.

    The shape is a number that a release raises when it changes tables, documents or fold. The code
    of the shape before stays beside the new one for as long as a version of it may answer, in
    ``FORMER``; its reads give documents as the newest ones do, so that nobody above need know.

    The fold is pure: the events, the flows they name and the states before give the states after,
    in any process, in batches of any size. The tables are written in one statement.

    - ``types``: the events it folds; all others pass by.
    - ``keys``: the states that folding an event needs.
    - ``fold``: folds one event into the states; gives the keys whose rows changed.
    - ``revive``: makes a state of a row of ``load.sql``.
    - ``columns``: makes the parameters of ``store.sql`` of the states that changed.
    - ``document``: what a reader is shown of a state.
    - ``reads``: the module with its questions, each one statement.

    ``folder`` holds its SQL. ``create*.sql`` and ``index*.sql`` make its tables, in the order of
    their names, indexes last. ``load.sql`` takes kinds, tenants and names as arrays and gives a row
    with ``kind``, ``tenant``, ``name`` for each that exists. ``store.sql`` takes the checkpoint
    (name, version, position before, position after) and the columns; it moves the checkpoint and
    writes, or does neither and answers false.

    A rebuild folds streams apart from each other: each state is of one stream, or ``counted``. It
    fills the tables that ``copied`` names, and then runs ``finish*.sql``, once, for the others.
    """

    name: str
    shape: int
    types: frozenset[str]
    folder: Path
    reads: ModuleType
    keys: Callable[[Event], Sequence[Key]]
    fold: Callable[[States, Event, KnownFlows], Sequence[Key]]
    revive: Callable[[Record], Any]
    columns: Callable[[States, Iterable[Key]], Columns]
    document: Callable[[Any], Any]
    copied: tuple[Copied, ...]
    counted: Counted | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One making of a read model: tables of some shape in a Postgres schema of their own.

    Its number only grows: a rebuild makes the next, whether the shape is a new one or the same.
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
    """Give the key of an event's run as the only one."""
    return (("run", event.tenant, event.stream[4:]),)


def state_of(states: States, key: Key) -> Any:  # noqa: ANN401 - each read model has its own states
    """Give the state of what an event after the first is about.

    Raises:
        MissingFirstEvent: there is none.
    """
    state = states.get(key)
    if state is None:
        raise MissingFirstEvent(*key)
    return state


def fold_one(
    projection: Projection, states: States, event: Event, flows: KnownFlows
) -> Sequence[Key]:
    """Fold one event into the states; gives the keys whose rows changed.

    Raises:
        ApplyEventError: the projection cannot; names the position, and has the cause.
    """
    try:
        return projection.fold(states, event, flows)
    except Exception as error:
        raise ApplyEventError(projection.name, event.position, event.position) from error


async def fold_run(
    projection: Projection, events: Iterable[Event], flows: Flows
) -> Document | None:
    """Fold one run's stream alone: what the read model shows of the run after these events.

    None when the read model has nothing to show of it. Events of other types pass by.

    Raises:
        ApplyEventError: it cannot apply one of them; names its position.
        UnknownFlowVersion: the run names a flow version that its catalogue does not hold.
        LogError: the log cannot be read.
    """
    taken = [event for event in events if event.type in projection.types]
    await flows.prepare(taken)
    states: States = {}
    for event in taken:
        fold_one(projection, states, event, flows)
    state = states.get(run_key(taken[0])) if taken else None
    return None if state is None else Document(projection.document(state))
